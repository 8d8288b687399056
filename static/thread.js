// The open conversation's messages: puts fragments in by seq, whatever order they come in, and keeps the reader's place.

/** How near to the end counts as reading the end, in CSS pixels. */
const NEAR = 60;

/** @returns {HTMLElement | null} the list of messages, if a conversation is open */
export const thread = () => document.getElementById("thread");

/** @returns {HTMLElement | null} what scrolls around it */
const scroller = () => document.querySelector(".scroller");

/** @returns {HTMLElement | null} */
const newest = () => document.getElementById("newest");

/**
 * @param {Element | undefined | null} element
 * @param {string} name
 * @returns {number} a data attribute, 0 where it is missing
 */
const number = (element, name) => Number(element?.getAttribute(`data-${name}`) ?? 0);

/** @returns {number} the rev up to which the page knows everything */
export const knownRev = () => number(thread(), "rev");

/**
 * Notes that the page now knows everything up to a rev.
 * @param {number} rev
 */
const know = (rev) => thread()?.setAttribute("data-rev", String(Math.max(rev, knownRev())));

/** @returns {boolean} whether the reader is at the end; the scroller counts from there, upwards in negative numbers */
export const atEnd = () => Math.abs(scroller()?.scrollTop ?? 0) < NEAR;

/** Shows the newest message. */
export function toEnd() {
  scroller()?.scrollTo({ top: 0 });
  newest()?.setAttribute("hidden", "");
}

/** Leaves a page of older messages for the one with the newest. */
export function toNewest() {
  location.assign(`/conversations/${encodeURIComponent(thread()?.dataset.with ?? "")}`);
}

/** @returns {HTMLElement[]} */
const articles = () => /** @type {HTMLElement[]} */ ([...(thread()?.querySelectorAll("article.message") ?? [])]);

/** @returns {number} the seq of the newest message shown, 0 where there is none */
export const lastSeq = () => number(articles().at(-1), "seq");

/**
 * Changes the messages without moving what the reader looks at.
 * @param {() => void} change
 */
function keepingPlace(change) {
  const box = scroller();
  const wasAtEnd = atEnd();
  const top = box?.getBoundingClientRect().top ?? 0;
  const anchor = articles().find((a) => a.getBoundingClientRect().bottom > top);
  const before = anchor?.getBoundingClientRect().top ?? 0;
  change();
  if (!box) return;
  if (wasAtEnd) box.scrollTop = 0;
  else if (anchor?.isConnected) box.scrollTop += anchor.getBoundingClientRect().top - before;
}

/**
 * Finds the day that a message belongs to, making it where it isn't there yet.
 * @param {HTMLElement} list
 * @param {Element} incoming the fragment's section
 * @returns {Element}
 */
function dayFor(list, incoming) {
  const key = incoming.getAttribute("data-day") ?? "";
  const days = [...list.querySelectorAll(":scope > section.day")];
  const same = days.find((d) => d.getAttribute("data-day") === key);
  if (same) return same;
  const day = /** @type {Element} */ (incoming.cloneNode(false));
  day.append(...[...incoming.children].filter((child) => !child.matches("article")));
  const later = days.find((d) => (d.getAttribute("data-day") ?? "") > key);
  if (later) later.before(day);
  else if (days.length > 0) days[days.length - 1].after(day);
  else list.querySelector("#older")?.after(day);
  return day;
}

/**
 * Says whether a message that isn't shown yet belongs on the page: not when it is beyond a gap.
 * @param {number} seq
 * @param {boolean} isHistory whether it comes from the button for older messages
 */
function belongs(seq, isHistory) {
  const shown = articles();
  if (shown.length === 0 || isHistory) return true;
  const hasOlder = !document.getElementById("older")?.hidden;
  if (seq < number(shown[0], "seq")) return !hasOlder;
  return seq < lastSeq() || thread()?.hasAttribute("data-whole") === true;
}

/**
 * Puts one message into its place, or in the place of its older self.
 * @param {HTMLElement} list
 * @param {Element} article
 * @param {boolean} isHistory
 * @returns {boolean} whether it is new on the page
 */
function put(list, article, isHistory) {
  const client = article.getAttribute("data-client");
  if (client) list.querySelector(`form.pending[data-client="${CSS.escape(client)}"]`)?.remove();
  const section = /** @type {Element} */ (article.parentElement);
  const shown = document.getElementById(article.id);
  if (shown) {
    if (number(shown, "rev") < number(article, "rev")) shown.replaceWith(article);
    return false;
  }
  const seq = number(article, "seq");
  if (!belongs(seq, isHistory)) return false;
  const day = dayFor(list, section);
  const later = [...day.querySelectorAll("article.message")].find((a) => number(a, "seq") > seq);
  if (later) later.before(article);
  else day.append(article);
  return true;
}

/**
 * Puts a fragment of messages, history or changes into the conversation.
 * @param {HTMLElement} list
 * @param {DocumentFragment} fragment
 * @returns {Element[]} what htmx has to look at
 */
function merge(list, fragment) {
  const older = fragment.querySelector("#older");
  const caughtUp = fragment.querySelector(".caught-up");
  const follow = atEnd();
  const last = lastSeq();
  /** @type {Element[]} */
  const added = [];
  /** @type {Element[]} */
  const beyond = []; // newer than a page of older messages reaches
  list.parentElement?.setAttribute("aria-live", older ? "off" : "polite"); // history isn't news
  keepingPlace(() => {
    if (older) list.querySelector("#older")?.replaceWith(older);
    for (const article of [...fragment.querySelectorAll("article.message")]) {
      const rev = number(article, "rev");
      if (put(list, article, older !== null)) added.push(article);
      else if (!article.isConnected && number(article, "seq") > last && !list.hasAttribute("data-whole")) beyond.push(article);
      if (!older && !caughtUp && rev === knownRev() + 1) know(rev);
    }
    list.querySelector(":scope > .blank")?.toggleAttribute("hidden", articles().length > 0);
  });
  if (caughtUp) {
    know(number(caughtUp, "rev"));
    list.toggleAttribute("data-more", caughtUp.hasAttribute("data-more"));
  }
  if (beyond.some((a) => a.classList.contains("mine"))) toNewest();
  else if (beyond.length > 0) newest()?.removeAttribute("hidden");
  const news = added.filter((a) => number(a, "seq") > last);
  if (news.some((a) => a.classList.contains("mine"))) toEnd();
  else if (news.length > 0 && !follow) newest()?.removeAttribute("hidden");
  return older ? [older] : [];
}

/** Teaches htmx the swap style "thread". */
export function register() {
  htmx.registerExtension("thread", {
    /**
     * @param {string} style
     * @param {HTMLElement} target
     * @param {DocumentFragment} fragment
     */
    handle_swap(style, target, fragment) {
      return style === "thread" ? merge(target, fragment) : false;
    },
  });
}
