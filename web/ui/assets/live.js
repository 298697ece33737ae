// Keeps the page that is open current: asks for its own URL again and morphs the
// strip and the content into what comes.
//
// What belongs to the reader is left alone:
//   data-own           the element and all in it, except its data-… attributes
//   data-keep="a b"    these attributes of the element
//   a form field that the reader has changed, text while some of it is selected
//
// Pages fill elements that are data-own on the event "refreshed" of document.
import { Idiomorph } from "./vendored/idiomorph.esm.js";

const every = 2000; // ms between the end of one refresh and the next
const pause = document.getElementById("pause");
const stale = document.getElementById("stale");
let paused = sessionStorage.getItem("divvy-paused") === "yes";
let tag = null; // of what is shown
let timer = 0;
let current = null; // the request under way
let answered = new Date();

const callbacks = {
  beforeNodeMorphed(node, next) {
    if (!(node instanceof Element)) return true;
    if ("own" in node.dataset) {
      Object.assign(node.dataset, next.dataset);
      if (next.ariaLabel) node.ariaLabel = next.ariaLabel;
      return false;
    }
    return !(node.matches("input, select, textarea") && changed(node));
  },
  beforeAttributeUpdated(name, node) {
    return !(node.dataset?.keep ?? "").split(" ").includes(name);
  },
};

// changed tells whether the reader has given a form field another value.
function changed(field) {
  if (field.type === "hidden") return false;
  if (field instanceof HTMLSelectElement)
    return [...field.options].some((o) => o.selected !== o.defaultSelected);
  return field.value !== field.defaultValue || field.checked !== field.defaultChecked;
}

// selecting tells whether some text of the content is selected.
function selecting() {
  const s = getSelection();
  return s && !s.isCollapsed && document.getElementById("main").contains(s.anchorNode);
}

// refresh shows what the server has now at the URL of this page.
async function refresh() {
  current?.abort();
  const mine = (current = new AbortController());
  clearTimeout(timer);
  const began = performance.now();
  try {
    const answer = await fetch(location.href.split("#")[0], {
      headers: tag ? { "If-None-Match": tag } : {},
      cache: "no-store",
      signal: AbortSignal.any([mine.signal, AbortSignal.timeout(10_000)]),
    });
    if (answer.status !== 304) {
      const text = await answer.text();
      if (mine.signal.aborted) return;
      tag = answer.headers.get("ETag");
      if (!(answer.headers.get("Content-Type") ?? "").startsWith("text/html"))
        throw new Error(`status ${answer.status}`);
      show(text);
    }
    answered = new Date();
    say("");
  } catch (fault) {
    if (mine.signal.aborted) return;
    tag = null;
    say(`No answer since ${answered.toLocaleTimeString()}: what is shown is of then.`);
  }
  // A page that takes long is asked for less often. Where a node is silent the
  // others wait for it: that must not keep the page from being current.
  schedule(Math.max(every, Math.min(5000, 10 * (performance.now() - began))));
}

// show morphs this page into the one in text.
function show(text) {
  const next = new DOMParser().parseFromString(text, "text/html");
  for (const id of ["strip", "main"]) {
    const fresh = next.getElementById(id);
    if (fresh) Idiomorph.morph(document.getElementById(id), fresh, { ignoreActiveValue: true, callbacks });
  }
  document.title = next.title;
  load();
  document.dispatchEvent(new Event("refreshed"));
}

// say shows that the page is out of date, or not any more.
function say(text) {
  if (stale.textContent !== text) stale.textContent = text;
}

function schedule(ms) {
  clearTimeout(timer);
  timer = setTimeout(due, ms);
}

// due refreshes if the reader would want that now.
function due() {
  if (paused || document.hidden || selecting()) schedule(every);
  else refresh();
}

function showPaused() {
  pause.setAttribute("aria-pressed", String(paused));
  pause.lastElementChild.textContent = paused ? "Paused" : "Live";
}

pause.addEventListener("click", () => {
  paused = !paused;
  sessionStorage.setItem("divvy-paused", paused ? "yes" : "no");
  showPaused();
  if (!paused) refresh();
});
document.addEventListener("visibilitychange", () => document.hidden || paused || refresh());

// Filters apply while they are typed. The URL follows, so that it can be shared.
let typing = 0;
function filter(form, ms) {
  clearTimeout(typing);
  typing = setTimeout(() => {
    const query = new URLSearchParams();
    for (const [name, value] of new FormData(form)) if (value) query.set(name, value);
    history.replaceState(null, "", location.pathname + (query.size ? "?" + query : ""));
    tag = null;
    refresh();
  }, ms);
}
document.addEventListener("input", (e) => {
  const form = e.target.closest("form[data-filters]");
  if (form) filter(form, e.target.matches("input") ? 200 : 0);
});
document.addEventListener("submit", (e) => {
  if (!e.target.matches("form[data-filters]")) return;
  e.preventDefault();
  filter(e.target, 0);
});

// "/" goes to the search field, as in many tools.
document.addEventListener("keydown", (e) => {
  if (e.key !== "/" || e.ctrlKey || e.metaKey || e.altKey) return;
  if (e.target.closest("input, textarea, select, [contenteditable]")) return;
  const field = document.querySelector("[data-search]");
  if (!field) return;
  e.preventDefault();
  field.focus();
  field.select();
});

// What few pages need is loaded by those.
function load() {
  for (const [selector, script] of [
    ["[data-plot]", "./plot.js"],
    ["svg.graph", "./graph.js"],
    ["[data-stream]", "./stream.js"],
  ])
    if (document.querySelector(selector)) import(script);
}

load();
pause.hidden = false;
showPaused();
schedule(every);
