// Passkeys: asks the server what to ask them, has the browser ask, and sends the answer by the page's own form.

/** Whether this browser knows passkeys, and takes the server's questions as they come. */
const known = typeof PublicKeyCredential === "function" && "parseRequestOptionsFromJSON" in PublicKeyCredential;

/**
 * Says what went wrong, "" for nothing.
 * @param {HTMLFormElement} form
 * @param {string} text
 */
function say(form, text) {
  const place = document.getElementById(`${form.id}-error`);
  if (!place) return;
  place.hidden = text === "";
  place.textContent = text;
}

/**
 * Asks the server for what a passkey is to be asked.
 * @param {HTMLFormElement} form
 * @returns {Promise<any>}
 */
async function options(form) {
  const fields = /** @type {[string, string][]} */ ([...new FormData(form)]);
  const response = await fetch(form.dataset.options ?? "", {
    method: "POST",
    headers: { Accept: "application/json" },
    body: new URLSearchParams(fields),
  });
  const answer = await response.json();
  if (response.ok) return answer.publicKey;
  throw new Error([answer.detail, ...Object.values(answer.errors ?? {}).flat()].join(" "));
}

/**
 * Has the browser ask a passkey.
 * @param {HTMLFormElement} form
 * @returns {Promise<Credential | null>}
 */
async function ask(form) {
  const publicKey = await options(form);
  if (form.dataset.passkey === "create") {
    return navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(publicKey) });
  }
  return navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(publicKey) });
}

/**
 * What people read when no passkey answered. Browsers say no more than a name, so that a page can't find out which
 * passkeys there are.
 * @param {unknown} error
 * @returns {string}
 */
function reason(error) {
  if (error instanceof DOMException && error.name === "InvalidStateError") return "This device has a passkey for your account already.";
  if (error instanceof DOMException) return "No passkey was used. Try again, or go on without one.";
  if (error instanceof TypeError) return "The server can’t be reached. Try again in a moment.";
  return error instanceof Error ? error.message : String(error);
}

/** @param {HTMLFormElement} form */
async function use(form) {
  say(form, "");
  try {
    const credential = await ask(form);
    const field = form.elements.namedItem("credential");
    const password = form.elements.namedItem("password");
    if (!(credential && field instanceof HTMLInputElement)) return;
    field.value = JSON.stringify(credential);
    if (password instanceof HTMLInputElement) password.disabled = true; // it was checked, and isn't needed twice
    form.submit();
  } catch (error) {
    say(form, reason(error));
  }
}

if (known) {
  for (const element of document.querySelectorAll("[data-with-passkeys]")) element.removeAttribute("hidden");
  for (const element of document.querySelectorAll("[data-without-passkeys]")) element.setAttribute("hidden", "");
  for (const form of document.querySelectorAll("form[data-passkey]")) {
    if (!(form instanceof HTMLFormElement)) continue;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void use(form);
    });
  }
}
