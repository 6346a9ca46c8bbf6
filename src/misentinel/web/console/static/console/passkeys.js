/* Passkeys: a form marked data-passkey asks the device first, puts its answer into the hidden field, then goes on its way.
   Texts are set as text and never as HTML, so Trusted Types have nothing to object to. */
"use strict";
(() => {
  const decode = (text) => {
    const binary = atob(text.replace(/-/g, "+").replace(/_/g, "/").padEnd(Math.ceil(text.length / 4) * 4, "="));
    return Uint8Array.from(binary, (letter) => letter.charCodeAt(0));
  };
  const encode = (buffer) => {
    const letters = Array.from(new Uint8Array(buffer), (byte) => String.fromCharCode(byte)).join("");
    return btoa(letters).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  };
  const known = (list) => (list || []).map((one) => ({ ...one, id: decode(one.id) }));

  const SAID = {
    NotAllowedError: "Nothing was chosen, or it took too long. Try again, or choose another way.",
    AbortError: "This was cancelled. Try again, or choose another way.",
    InvalidStateError: "This device has a passkey for your account already.",
    NotSupportedError: "This device cannot make a passkey that asks for your finger, face or PIN. Choose another way.",
    ConstraintError: "This device cannot make a passkey that asks for your finger, face or PIN. Choose another way.",
    SecurityError: "Passkeys do not work at this address. Open the console at its public address, by its name.",
  };
  const OUT_OF_REACH = "We could not be reached just now. Reload the page and try again.";
  const UNSUPPORTED = "This browser has no passkeys. Choose another way, or use a current browser.";

  const ask = async (form) => {
    const answer = await fetch(form.dataset.options, {
      method: "POST", credentials: "same-origin", redirect: "error",
      headers: { "X-CSRFToken": form.elements.csrfmiddlewaretoken.value, Accept: "application/json" },
    });
    if (!answer.ok) throw new TypeError(answer.status);
    const options = await answer.json();
    options.challenge = decode(options.challenge);
    return options;
  };

  const create = async (options) => {
    options.user.id = decode(options.user.id);
    options.excludeCredentials = known(options.excludeCredentials);
    const made = await navigator.credentials.create({ publicKey: options });
    return {
      id: made.id, rawId: encode(made.rawId), type: made.type,
      clientExtensionResults: made.getClientExtensionResults(),
      response: {
        clientDataJSON: encode(made.response.clientDataJSON),
        attestationObject: encode(made.response.attestationObject),
      },
    };
  };

  const get = async (options) => {
    options.allowCredentials = known(options.allowCredentials);
    const shown = await navigator.credentials.get({ publicKey: options });
    const { response } = shown;
    return {
      id: shown.id, rawId: encode(shown.rawId), type: shown.type,
      clientExtensionResults: shown.getClientExtensionResults(),
      response: {
        clientDataJSON: encode(response.clientDataJSON),
        authenticatorData: encode(response.authenticatorData),
        signature: encode(response.signature),
        ...(response.userHandle && { userHandle: encode(response.userHandle) }),
      },
    };
  };

  const answerOf = (form) => form.querySelector("[data-passkey-answer]");

  const fill = async (form) => {
    const said = form.querySelector("[data-passkey-said]");
    if (!window.PublicKeyCredential) {
      said.textContent = UNSUPPORTED;
      return;
    }
    const button = form.querySelector("button[type=submit]");
    button.disabled = true;
    said.textContent = "Waiting for your device…";
    try {
      const options = await ask(form);
      const answer = await (form.dataset.passkey === "create" ? create(options) : get(options));
      answerOf(form).value = JSON.stringify(answer);
      said.textContent = "";
      button.disabled = false;
      form.requestSubmit(button);
    } catch (error) {
      said.textContent = SAID[error.name] || OUT_OF_REACH;
      button.disabled = false;
    }
  };

  for (const form of document.querySelectorAll("form[data-passkey]")) {
    answerOf(form).value = "";
    form.addEventListener("submit", (event) => {
      if (answerOf(form).value) return;
      event.preventDefault();
      fill(form);
    });
  }
})();
