/* The one Trusted Types policy. Loaded before any other script; the content security policy allows no second one.
   htmx turns what our server answered into a document in which nothing runs: that text passes, once, and no other
   text ever becomes markup, script or the address of a script. */
"use strict";
(() => {
  if (!window.trustedTypes) return;
  const PARSERS = new Set(["Document parseHTMLUnsafe", "DOMParser parseFromString"]);
  const MOST_WAITING = 4;
  const waiting = [];

  /* htmx takes out the head, and puts parts of a page into a wrapper, before it parses them. */
  const forms = (text) => {
    const bare = text.replace(/<head(\s[^>]*)?>[\s\S]*?<\/head>/i, "");
    return [text, bare, `<body><template class="internal-htmx-wrapper">${bare}</template></body>`];
  };

  document.addEventListener("htmx:beforeSwap", (event) => {
    waiting.push(forms(event.detail.xhr.responseText));
    if (waiting.length > MOST_WAITING) waiting.shift();
  });

  window.trustedTypes.createPolicy("default", {
    createHTML(text, type, sink) {
      const found = PARSERS.has(sink) ? waiting.findIndex((each) => each.includes(text)) : -1;
      if (found < 0) return null;
      waiting.splice(found, 1);
      return text;
    },
  });
})();
