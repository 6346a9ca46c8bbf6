/* The console's behaviour: small, by event delegation, because the policy allows no inline handlers.
   Every page works without it, except for added rule rows and live previews. */
"use strict";
(() => {
  const all = (selector, root = document) => Array.from(root.querySelectorAll(selector));

  /* Theme: system, light or dark. */
  const markTheme = () => {
    const theme = window.misentinelTheme.chosen();
    for (const button of all("[data-choose-theme]")) {
      button.setAttribute("aria-pressed", String(button.dataset.chooseTheme === theme));
    }
  };

  /* Menus are <details>: the keyboard opens them without us; we close them where people expect it. */
  const closeMenus = (except) => {
    for (const menu of all("details[data-menu][open]")) {
      if (menu !== except) menu.open = false;
    }
  };

  const toggleSidebar = (open) => {
    const toggle = document.querySelector("[data-sidebar-toggle]");
    const sidebar = toggle && document.getElementById(toggle.getAttribute("aria-controls"));
    if (!sidebar) return;
    sidebar.classList.toggle("show", open);
    toggle.setAttribute("aria-expanded", String(open));
  };

  const copy = async (button) => {
    const source = document.getElementById(button.dataset.copy);
    await navigator.clipboard.writeText(source.value ?? source.textContent.trim());
    const label = button.querySelector("[data-label]") || button;
    const before = label.textContent;
    label.textContent = "Copied";
    window.setTimeout(() => { label.textContent = before; }, 2000);
  };

  document.addEventListener("click", (event) => {
    const target = event.target instanceof Element ? event.target : null;
    if (!target) return;
    closeMenus(target.closest("details[data-menu]"));
    const theme = target.closest("[data-choose-theme]");
    if (theme) {
      window.misentinelTheme.choose(theme.dataset.chooseTheme);
      markTheme();
    }
    const toggle = target.closest("[data-sidebar-toggle]");
    if (toggle) toggleSidebar(toggle.getAttribute("aria-expanded") !== "true");
    const copier = target.closest("[data-copy]");
    if (copier) copy(copier);
    const dismiss = target.closest("[data-dismiss]");
    if (dismiss) dismiss.closest(".alert").remove();
    const remove = target.closest("[data-remove-row]");
    if (remove) removeRow(remove);
  });

  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    const menu = document.querySelector("details[data-menu][open]");
    if (menu) {
      menu.open = false;
      menu.querySelector("summary").focus();
    } else {
      toggleSidebar(false);
    }
  });

  /* A form that asks first: the button names the dialog that holds the real one. */
  document.addEventListener("click", (event) => {
    const opener = event.target instanceof Element && event.target.closest("[data-dialog]");
    if (opener) {
      const dialog = document.getElementById(opener.dataset.dialog);
      if (dialog && !dialog.open) dialog.showModal();
    }
    const closer = event.target instanceof Element && event.target.closest("[data-close-dialog]");
    if (closer) closer.closest("dialog").close();
  });

  /* Removing a row gives the focus to its neighbour, and lets the form recount. */
  const removeRow = (button) => {
    const row = button.closest("[data-row]");
    const form = row.closest("form");
    const next = row.nextElementSibling || row.previousElementSibling;
    row.remove();
    const heir = next && next.querySelector("select, input:not([type=hidden])");
    (heir || form.querySelector("[data-add-row]")).focus();
    form.dispatchEvent(new Event("rows-changed", { bubbles: true }));
  };

  /* A part of a page that answers with a whole page means that the session has ended: start over from here. Whoever has
     written something keeps the page: they sign in in another tab, come back, and the forms get the new token. */
  const leadsToSignIn = (url) => new URL(url).pathname.startsWith("/sign-in");
  const signedOut = document.getElementById("signed-out");
  const isOut = () => Boolean(signedOut) && !signedOut.hidden;

  document.addEventListener("input", (event) => {
    const form = event.target.form;
    if (form && form.method === "post") form.dataset.typed = "yes";
  });

  document.addEventListener("htmx:beforeSwap", (event) => {
    if (!leadsToSignIn(event.detail.xhr.responseURL)) return;
    event.detail.shouldSwap = false;
    if (signedOut && document.querySelector("form[data-typed]")) signedOut.hidden = false;
    else window.location.reload();
  });

  document.addEventListener("htmx:beforeRequest", (event) => {
    if (isOut()) event.preventDefault();
  });

  document.addEventListener("submit", (event) => {
    if (isOut()) event.preventDefault();
  }, { capture: true });

  const comeBack = async () => {
    if (!isOut()) return;
    const answer = await fetch(signedOut.dataset.asks, { credentials: "same-origin" });
    const token = !leadsToSignIn(answer.url) && (await answer.text()).match(/data-token="([A-Za-z0-9]+)"/);
    if (!token) return;
    for (const field of all("input[name=csrfmiddlewaretoken]")) field.value = token[1];
    document.body.setAttribute("hx-headers", JSON.stringify({ "X-CSRFToken": token[1] }));
    signedOut.hidden = true;
  };
  window.addEventListener("focus", comeBack);
  document.addEventListener("visibilitychange", () => { if (!document.hidden) comeBack(); });

  document.addEventListener("htmx:afterSwap", () => {
    const added = document.querySelector("[data-row][data-fresh]");
    if (added) {
      added.removeAttribute("data-fresh");
      added.querySelector("select, input:not([type=hidden])").focus();
    }
  });

  /* The preview is a form sent into a sandboxed frame. Each round gets a frame of its own, so that the browser's
     history keeps no trail of them, and the last one stays until the new one has something to show. */
  let rounds = 0;
  const preview = (button) => {
    const frames = all("[data-preview-frame]");
    const fresh = frames[0].cloneNode(false);
    rounds += 1;
    fresh.name = `preview-${rounds}`;
    fresh.hidden = true;
    frames[frames.length - 1].after(fresh);
    /* The empty frame is loaded already when this is added; what loads next is the answer. */
    fresh.addEventListener("load", () => {
      fresh.hidden = false;
      for (const frame of all("[data-preview-frame]")) {
        if (frame === fresh) break;
        frame.remove();
      }
    }, { once: true });
    button.formTarget = fresh.name;
    button.form.requestSubmit(button);
  };

  const previewButton = document.querySelector("[data-preview]");
  if (previewButton) {
    let waiting = 0;
    const soon = (delay) => {
      window.clearTimeout(waiting);
      waiting = window.setTimeout(() => preview(previewButton), delay);
    };
    previewButton.form.addEventListener("input", () => soon(500));
    soon(0);
  }

  /* A double click must not submit twice. */
  document.addEventListener("submit", (event) => {
    const button = event.submitter;
    if (!button || event.defaultPrevented || button.hasAttribute("formtarget")) return;
    if (event.target.dataset.submitted) {
      event.preventDefault();
      return;
    }
    event.target.dataset.submitted = "yes";
    button.setAttribute("aria-busy", "true");
  });
  window.addEventListener("pageshow", () => {
    for (const form of all("form[data-submitted]")) {
      delete form.dataset.submitted;
      for (const button of all("[aria-busy]", form)) button.removeAttribute("aria-busy");
    }
  });

  /* Selects marked so submit their form when changed by a deliberate choice. */
  document.addEventListener("change", (event) => {
    if (event.target instanceof Element && event.target.matches("[data-submit-on-change]")) {
      event.target.form.requestSubmit();
    }
  });

  markTheme();
})();
