// Runs before the page is painted, so that it is not painted in the wrong colours.
// Without a choice the page follows the system.
const chosen = localStorage.getItem("divvy-theme");
document.documentElement.dataset.script = ""; // filters need no button
if (chosen) document.documentElement.dataset.theme = chosen;

addEventListener("DOMContentLoaded", () => {
  const button = document.getElementById("theme");
  button.hidden = false;
  button.addEventListener("click", () => {
    const root = document.documentElement;
    const dark = root.dataset.theme
      ? root.dataset.theme === "dark"
      : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    localStorage.setItem("divvy-theme", root.dataset.theme);
    dispatchEvent(new Event("theme"));
  });
});
