// Shows the live data of a component: text that ends with the delimiter, item by
// item, for as long as the page is open. At most so many lines are kept; what is
// older is forgotten.
const most = 5000;
const delimiter = "|;|";

const pane = document.querySelector("[data-stream]");
const form = document.querySelector("[data-stream-form]");
const state = document.getElementById("stream-state");
const fields = { q: form.elements.q, sample: form.elements.sample, follow: form.querySelector('[data-do="follow"]') };

let lines = []; // all that are kept
let fresh = []; // of them, those that are not shown yet
let missed = 0; // while paused
let paused = false;
let connection = null;

const fits = (line) => line.toLowerCase().includes(fields.q.value.trim().toLowerCase());

function element(line) {
  const e = document.createElement("pre");
  e.textContent = line;
  return e;
}

function say(text) {
  if (state.textContent !== text) state.textContent = text;
}

function count() {
  const text = `${lines.length.toLocaleString("en")} ${lines.length === 1 ? "line" : "lines"}`;
  say(paused ? `Paused at ${text}; ${missed.toLocaleString("en")} not kept` : text);
}

// take keeps an item. What comes while the reader has paused is only counted.
function take(item) {
  if (paused) {
    missed++;
    return;
  }
  if (!fresh.length) requestAnimationFrame(show);
  fresh.push(item);
}

// show adds what has come since the last frame.
function show() {
  lines.push(...fresh);
  pane.append(...fresh.filter(fits).map(element));
  fresh = [];
  if (lines.length > most) lines.splice(0, lines.length - most);
  while (pane.childElementCount > most) pane.firstElementChild.remove();
  if (fields.follow.checked) pane.scrollTop = pane.scrollHeight;
  count();
}

// again shows the lines that fit the filter now.
function again() {
  pane.replaceChildren(...lines.filter(fits).map(element));
  if (fields.follow.checked) pane.scrollTop = pane.scrollHeight;
}

// connect reads the stream until it ends or another one is wanted, and tries
// again where it broke.
async function connect() {
  connection?.abort();
  const mine = (connection = new AbortController());
  const url = `${pane.dataset.stream}?sampleProb=${fields.sample.value / 100}`;
  while (!mine.signal.aborted) {
    try {
      const answer = await fetch(url, { signal: mine.signal, cache: "no-store" });
      if (!answer.ok) throw new Error((await answer.text()).trim() || `status ${answer.status}`);
      count();
      await read(answer.body.pipeThrough(new TextDecoderStream()).getReader());
      say("The stream has ended; trying again");
    } catch (fault) {
      if (mine.signal.aborted) return;
      say(`${fault.message}; trying again`);
    }
    await new Promise((wake) => setTimeout(wake, 2000));
  }
}

async function read(reader) {
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const items = (rest + value).split(delimiter);
    rest = items.pop();
    items.forEach(take);
  }
}

// The URL says what is shown, so that it can be shared.
function remember() {
  const query = new URLSearchParams();
  if (fields.q.value) query.set("q", fields.q.value);
  if (fields.sample.value !== "100") query.set("sample", fields.sample.value);
  history.replaceState(null, "", location.pathname + (query.size ? "?" + query : ""));
}

const actions = {
  pause(button) {
    paused = !paused;
    missed = 0;
    button.setAttribute("aria-pressed", String(paused));
    button.textContent = paused ? "Resume" : "Pause";
    count();
  },
  clear() {
    lines = [];
    pane.replaceChildren();
    count();
  },
  async copy(button) {
    const text = lines.filter(fits).join("\n");
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      // Browsers lend the clipboard only to pages that came over TLS or from this
      // host: select the text, so that a key press copies it.
      getSelection().selectAllChildren(pane);
      button.textContent = "Selected";
    }
    setTimeout(() => (button.textContent = "Copy"), 2000);
  },
};

form.addEventListener("click", (e) => {
  const button = e.target.closest("button[data-do]");
  if (button) actions[button.dataset.do](button);
});
form.addEventListener("submit", (e) => e.preventDefault());
let typing = 0;
form.addEventListener("input", (e) => {
  form.querySelector("output").textContent = `${fields.sample.value} %`;
  remember();
  clearTimeout(typing);
  if (e.target === fields.q) typing = setTimeout(again, 150);
  if (e.target === fields.sample) typing = setTimeout(connect, 300);
});
// Who scrolls back reads; the end is not followed until they return to it.
pane.addEventListener("scroll", () => {
  const end = pane.scrollHeight - pane.scrollTop - pane.clientHeight < 4;
  if (fields.follow.checked && !end) return;
  if (end) fields.follow.checked = true;
});
pane.addEventListener("wheel", (e) => {
  if (e.deltaY < 0) fields.follow.checked = false;
}, { passive: true });
addEventListener("pagehide", () => connection?.abort());
connect();
