// Sending: a message shows at once as pending under its client ID, is replaced by the stored one, and says so if it
// couldn't be sent. What was typed or not yet sent outlives a reload of this tab.

import { thread, toEnd } from "./thread.js";

/** @returns {HTMLFormElement | null} */
const composer = () => document.querySelector("form#composer");

/** @returns {HTMLTextAreaElement | null} */
const field = () => document.querySelector("#composer textarea");

/**
 * @param {string} what
 * @returns {string} where this tab keeps something of this conversation
 */
const key = (what) => `parley ${what} ${document.body.dataset.viewer} ${thread()?.dataset.with}`;

/** @returns {string} a random UUID, also where the page is served without TLS and crypto.randomUUID is missing */
function newID() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40; // version 4
  bytes[8] = (bytes[8] & 0x3f) | 0x80; // variant: RFC 9562, section 4.1
  const hex = [...bytes].map((b) => b.toString(16).padStart(2, "0")).join("");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}

/** @returns {HTMLFormElement[]} the messages on their way, in the order they were written */
const pending = () => [...document.querySelectorAll("#thread form.pending")].map((f) => /** @type {HTMLFormElement} */ (f));

/** Keeps what is not sent yet for a reload. */
function keepUnsent() {
  const unsent = pending().map((form) => ({ id: form.dataset.client, body: bodyOf(form) }));
  if (unsent.length > 0) sessionStorage.setItem(key("unsent"), JSON.stringify(unsent));
  else sessionStorage.removeItem(key("unsent"));
}

/**
 * @param {HTMLFormElement} form
 * @returns {string}
 */
const bodyOf = (form) => String(new FormData(form).get("body"));

/**
 * Shows a message as pending and sends it.
 * @param {string} body
 * @param {string} id its client ID
 */
function send(body, id) {
  const template = /** @type {HTMLTemplateElement | null} */ (document.getElementById("pending"));
  const copy = /** @type {DocumentFragment | undefined} */ (template?.content.cloneNode(true));
  const form = copy?.querySelector("form");
  if (!form) return;
  form.dataset.client = id;
  /** @type {HTMLInputElement} */ (form.elements.namedItem("client_id")).value = id;
  /** @type {HTMLInputElement} */ (form.elements.namedItem("body")).value = body;
  /** @type {HTMLElement} */ (form.querySelector(".body")).textContent = body;
  thread()?.querySelector(":scope > .blank")?.setAttribute("hidden", "");
  thread()?.append(form);
  htmx.process(form);
  form.requestSubmit();
}

/**
 * Shows how far a pending message is.
 * @param {Element} form
 * @param {string} text
 * @param {boolean} failed
 */
function show(form, text, failed) {
  const state = form.querySelector(".state");
  if (state) state.textContent = text;
  form.classList.toggle("unsent", failed);
  form.querySelector(".failed")?.toggleAttribute("hidden", !failed);
}

/** Where this tab keeps what is not sent yet, of all conversations; the other person's username follows. */
const outbox = `parley unsent ${document.body.dataset.viewer} `;

/** @returns {string[]} the people to whom something is not sent yet, but for the one whose conversation is open */
const elsewhere = () =>
  Object.keys(sessionStorage)
    .filter((k) => k.startsWith(outbox))
    .map((k) => k.slice(outbox.length))
    .filter((username) => username !== thread()?.dataset.with);

/** @returns {boolean} whether something failed for want of a connection, or was left behind with its conversation */
export const hasUnsent = () => pending().some((form) => form.dataset.again === "yes") || elsewhere().length > 0;

/** Sends again what failed for want of a connection. Doing so is safe: the client ID stays. */
export function retryUnsent() {
  for (const form of pending()) {
    if (form.dataset.again !== "yes") continue;
    form.dataset.again = "no"; // not twice for one failure
    form.requestSubmit();
  }
  for (const username of elsewhere()) sendLeftBehind(username);
}

/**
 * Sends what waits for a conversation that isn't open. What is refused stays, and says so when the conversation opens.
 * @param {string} recipient
 */
async function sendLeftBehind(recipient) {
  /** @type {{id: string, body: string}[]} */
  const unsent = JSON.parse(sessionStorage.getItem(outbox + recipient) ?? "[]");
  const refused = [];
  for (const message of unsent) {
    const headers = { "Content-Type": "application/json", Accept: "application/json" };
    const body = JSON.stringify({ recipient, body: message.body, client_id: message.id });
    const answer = await fetch("/messages", { method: "POST", headers, body }).catch(() => undefined);
    if (!answer || answer.status === 401 || answer.status === TOO_FAST || answer.status >= 500) return;
    if (!answer.ok) refused.push(message);
  }
  if (thread()?.dataset.with === recipient) return; // it was opened meanwhile, and keeps its own account
  if (refused.length > 0) sessionStorage.setItem(outbox + recipient, JSON.stringify(refused));
  else sessionStorage.removeItem(outbox + recipient);
}

/** @param {SubmitEvent} event */
function submitted(event) {
  const text = field();
  if (!text || event.target !== composer() || !("htmx" in window)) return;
  event.preventDefault();
  const body = text.value.trim();
  const longest = Number(text.dataset.longest);
  const length = [...body].length;
  if (length > longest) return complain(text, `The message has ${length} characters; at most ${longest} can be sent at once.`);
  complain(text, "");
  if (body === "") return text.focus();
  text.value = "";
  changed(text);
  send(body, newID());
  keepUnsent();
  toEnd();
  text.focus();
}

/**
 * Says beside the composer what is wrong with the text in it.
 * @param {HTMLTextAreaElement} text
 * @param {string} why
 */
function complain(text, why) {
  let error = document.getElementById("composer-error");
  if (!error && why) {
    error = document.createElement("p");
    error.id = "composer-error";
    error.className = "error";
    error.setAttribute("role", "alert");
    composer()?.prepend(error);
  }
  if (error) error.textContent = why;
  error?.toggleAttribute("hidden", why === "");
  if (why) {
    text.setAttribute("aria-invalid", "true");
    text.setAttribute("aria-describedby", "composer-error");
  } else {
    text.removeAttribute("aria-invalid");
    text.removeAttribute("aria-describedby");
  }
}

/** @param {HTMLTextAreaElement} text */
function changed(text) {
  if (text.value) sessionStorage.setItem(key("draft"), text.value);
  else sessionStorage.removeItem(key("draft"));
  if (!CSS.supports("field-sizing", "content")) {
    text.style.height = "auto";
    text.style.height = `${text.scrollHeight}px`;
  }
}

/** @param {KeyboardEvent} event */
function pressed(event) {
  // 229 is what browsers say for a key that an input method takes, some of them without isComposing.
  if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
  event.preventDefault();
  composer()?.requestSubmit();
}

/**
 * The text of an error that the server wrote for people.
 * @param {string | undefined} html
 * @returns {string}
 */
const reason = (html) =>
  new DOMParser().parseFromString(html ?? "", "text/html").querySelector("[role=alert]")?.textContent?.trim() ?? "";

/** The status of what was sent faster than the server takes it. It says when to try again. */
const TOO_FAST = 429;

/** @type {number | undefined} */
let waiting;

/**
 * Sends again after the time that the server asks for, once for all that wait.
 * @param {number} seconds
 */
function retryAfter(seconds) {
  waiting ??= setTimeout(() => {
    waiting = undefined;
    retryUnsent();
  }, 1000 * seconds);
}

/** @param {Event} event */
function failed(event) {
  const form = event.target;
  if (!(form instanceof HTMLFormElement) || !form.matches(".pending")) return;
  const ctx = /** @type {CustomEvent} */ (event).detail.ctx;
  const status = ctx?.response?.status ?? 0;
  const again = status === 0 || status === TOO_FAST || status >= 500;
  form.dataset.again = again ? "yes" : "no";
  if (status === TOO_FAST) {
    retryAfter(Number(ctx.response.headers.get("Retry-After")) || 1);
    return show(form, "Not sent yet, as you are sending very fast. It goes out by itself in a moment.", true);
  }
  show(form, again ? "Not sent yet. Parley couldn’t be reached." : `Not sent. ${reason(ctx?.text)}`, true);
}

/** @param {Event} event */
function clicked(event) {
  const button = event.target instanceof Element ? event.target.closest("[data-discard]") : null;
  if (!button) return;
  button.closest("form.pending")?.remove();
  keepUnsent();
  field()?.focus();
}

/** Takes up a conversation that has just been opened: its draft, and what was not sent when the page was left. */
export function enter() {
  const text = field();
  if (!text) return;
  const form = composer();
  if (form) form.noValidate = true; // Enter in an empty composer does nothing, without a bubble that says so
  if (text.value === "") text.value = sessionStorage.getItem(key("draft")) ?? "";
  changed(text);
  text.addEventListener("input", () => changed(text));
  text.addEventListener("keydown", pressed);
  const unsent = JSON.parse(sessionStorage.getItem(key("unsent")) ?? "[]");
  for (const { id, body } of unsent) {
    if (!document.querySelector(`[data-client="${CSS.escape(id)}"]`)) send(body, id);
  }
  if (!matchMedia("(pointer: coarse)").matches) text.focus(); // on a phone that would bring the keyboard up
}

/** @param {SubmitEvent} event */
function signedOut(event) {
  const unsent = pending().length > 0 || elsewhere().length > 0;
  if (unsent && !confirm("Some of your messages are not sent yet. Signing out throws them away.")) event.preventDefault();
  else sessionStorage.clear();
}

document.addEventListener("submit", (event) => {
  if (event.target instanceof HTMLFormElement && event.target.matches("[data-sign-out]")) signedOut(event);
  else submitted(event);
});
document.addEventListener("click", clicked);
document.addEventListener("htmx:before:request", (event) => {
  if (event.target instanceof Element && event.target.matches(".pending")) show(event.target, "Sending…", false);
});
document.addEventListener("htmx:response:error", failed);
document.addEventListener("htmx:error", failed);
document.addEventListener("htmx:after:swap", (event) => {
  // Another conversation's pane has none of this one's messages: enter reads what was kept of its own first.
  if (/** @type {CustomEvent} */ (event).detail.ctx?.target?.id === "thread") keepUnsent();
});
