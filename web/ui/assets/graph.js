// Zoom and drag for the picture of the pipeline. The picture stands in a pane that
// scrolls, so fingers, keys and the focus move it without our doing; zooming
// changes its width and height, which the server leaves to us.
let zoom = "fit";

const pane = () => document.querySelector(".pane");
const picture = () => pane()?.querySelector("svg.graph");

function apply() {
  const svg = picture();
  if (!svg) return;
  const box = svg.viewBox.baseVal;
  const fitting = Math.min(1, (pane().clientWidth - 2) / box.width);
  const scale = zoom === "fit" ? Math.max(fitting, 0.75) : zoom;
  svg.setAttribute("width", box.width * scale);
  svg.setAttribute("height", box.height * scale);
  return scale;
}

document.addEventListener("click", (e) => {
  const how = e.target.closest("[data-zoom]")?.dataset.zoom;
  if (!how) return;
  const now = apply();
  if (how === "fit") zoom = "fit";
  else if (how === "1") zoom = 1;
  else zoom = Math.min(4, Math.max(0.2, now * Number(how)));
  apply();
});

// Dragging the ground moves the picture; dragging a link is left to the browser.
let grip = null;
document.addEventListener("pointerdown", (e) => {
  if (e.pointerType !== "mouse" || e.button !== 0) return;
  if (!pane()?.contains(e.target) || e.target.closest("a")) return;
  grip = { x: e.clientX + pane().scrollLeft, y: e.clientY + pane().scrollTop };
  e.preventDefault();
});
document.addEventListener("pointermove", (e) => {
  if (grip) pane().scrollTo(grip.x - e.clientX, grip.y - e.clientY);
});
document.addEventListener("pointerup", () => (grip = null));

addEventListener("resize", apply);
document.addEventListener("refreshed", apply);
document.querySelector(".picture .tools").hidden = false;
apply();
