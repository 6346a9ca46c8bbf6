/* Runs before the first paint: light or dark, by the visitor's choice or else by their system's. */
"use strict";
(() => {
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const chosen = () => {
    try { return window.localStorage.getItem("misentinel-theme") || "system"; } catch { return "system"; }
  };
  const show = () => {
    const theme = chosen();
    const root = document.documentElement;
    root.dataset.theme = theme;
    root.dataset.bsTheme = theme === "system" ? (dark.matches ? "dark" : "light") : theme;
  };
  window.misentinelTheme = {
    chosen,
    choose(theme) {
      try { window.localStorage.setItem("misentinel-theme", theme); } catch { /* private mode: this page only */ }
      show();
    },
  };
  dark.addEventListener("change", show);
  show();
})();
