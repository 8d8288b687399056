// Keeps a signed-in page up to date. The server pushes message IDs over a WebSocket; htmx fetches what they name. A push
// is a hint: whatever was missed comes by since_rev when the window opens again, or by polling where it can't open.

import "./zone.js";
import { enter as enterComposer, hasUnsent, retryUnsent } from "./composer.js";
import { atEnd, knownRev, lastSeq, register, thread, toEnd, toNewest } from "./thread.js";

/** Times in milliseconds. */
const RECONNECT = { least: 300, most: 2000 };
const POLL = 3000;
const RETRY = { least: 2000, most: 30_000 };
const LIST_PAUSE = 1000;
const TICK = 2000;
const ASLEEP = 5 * TICK; // a tick this late means that the machine slept
const QUIET = 60_000; // after so long without a frame the page asks once, in case the connection died unnoticed

/** The longest list that the server gives at once. */
const MOST_ROWS = 100;

/** A conversation that is further behind than this many pages of changes is loaded afresh. */
const MOST_PAGES = 5;

/** @type {WebSocket | undefined} */
let socket;
let failures = 0;
let lastHeard = Date.now();
/** @type {number | undefined} */
let reconnecting;

/** @param {string} text shown while the page is cut off, "" when it isn't */
function showConnection(text) {
  const place = document.getElementById("connection");
  if (place && place.textContent !== text) place.textContent = text;
}

/**
 * Has htmx fetch a fragment.
 * @param {string} url
 * @param {Record<string, unknown>} options of htmx.ajax
 * @returns {Promise<boolean>} whether an answer came
 */
async function get(url, options) {
  let ok = false;
  /** @type {typeof fetch} */
  const watched = async (...args) => {
    const response = await fetch(...args);
    ok = response.ok;
    return response;
  };
  await htmx.ajax("GET", url, { push: "false", ...options, fetch: watched });
  return ok;
}

// --- the open conversation ---

/**
 * The newest change that a push told of and its message, by the other person's username. It is kept for every
 * conversation: a push can come while the page with its conversation is still on its way.
 * @type {Map<string, {rev: number, id: string}>}
 */
const told = new Map();
/** Whether the open conversation may have missed something without a push, or couldn't be fetched. */
let threadBehind = false;
/** @type {Promise<boolean> | undefined} */
let syncing;

/** Fetches until the page knows what it was told of. One fetch at a time: the next one brings all that came meanwhile. */
function sync() {
  syncing ??= syncAll().finally(() => {
    syncing = undefined;
  });
  return syncing;
}

async function syncAll() {
  for (let pages = 0; ; ) {
    const open = thread();
    const known = knownRev();
    const wanted = told.get(open?.dataset.with ?? "") ?? { rev: 0, id: "" };
    if (!open || (!threadBehind && wanted.rev <= known)) break;
    const doubted = threadBehind;
    const single = !doubted && wanted.rev === known + 1;
    threadBehind = false; // whoever doubts while the fetch is under way wants another one
    if (!single) pages++;
    const tooFar = pages > MOST_PAGES;
    const url = single ? `/messages/${wanted.id}` : `/messages?${changesQuery(known)}`;
    const ok = await (tooFar ? reopen() : get(url, { source: open, target: open, swap: "thread" }));
    threadBehind ||= !ok;
    if (!ok) return false;
    if (tooFar) return true;
    if (open !== thread()) continue; // another conversation was opened meanwhile
    if (open.hasAttribute("data-more")) threadBehind = true;
    else if (!doubted && knownRev() === known) break; // the server knows no more than the page
  }
  markRead();
  return true;
}

/** @param {number} rev */
const changesQuery = (rev) => new URLSearchParams({ with: thread()?.dataset.with ?? "", since_rev: String(rev), limit: "100" });

/** Loads the open conversation afresh. */
const reopen = () => get(location.pathname, { target: "#main", swap: "innerHTML" });

/** @type {number} */
let toldRead = 0;

/** Says that the reader has seen the newest message, when they have. */
async function markRead() {
  const open = thread();
  const seq = lastSeq();
  if (!open || document.hidden || !atEnd() || seq <= Math.max(toldRead, Number(open.dataset.read))) return;
  toldRead = seq;
  const url = `/conversations/${encodeURIComponent(open.dataset.with ?? "")}/read`;
  const headers = { "Content-Type": "application/json", Accept: "application/json" };
  const answer = await fetch(url, { method: "PUT", headers, body: JSON.stringify({ seq }) }).catch(() => undefined);
  if (answer?.status === 401) return signInAgain();
  if (answer?.ok) open.dataset.read = String(seq);
  else toldRead = 0;
}

// --- the list of conversations ---

/** @type {number | undefined} */
let listTimer;
let listDue = false;
/** Whether the list couldn't be fetched. */
let listBehind = false;

/** Fetches the list soon: at once, but no more often than once a pause. */
function refreshList() {
  listDue = true;
  if (listTimer !== undefined) return;
  listTimer = setTimeout(() => {
    listTimer = undefined;
    if (listDue) refreshList();
  }, LIST_PAUSE);
  listDue = false;
  return fetchList();
}

async function fetchList() {
  const list = document.getElementById("conversations");
  if (!list) return true;
  const limit = Math.min(MOST_ROWS, Math.max(20, list.querySelectorAll("li:not(.more)").length));
  const query = new URLSearchParams({ limit: String(limit), current: thread()?.dataset.with ?? "" });
  listBehind = !(await get(`/conversations?${query}`, { source: list, target: list, swap: "outerMorph" }));
  showUnread();
  return !listBehind;
}

/** Shows in the tab's title how many conversations have something unread. */
function showUnread() {
  const n = document.querySelectorAll("#conversations .unread").length;
  const plain = document.title.replace(/^\(\d+\) /, "");
  const title = n > 0 ? `(${n}) ${plain}` : plain;
  if (document.title !== title) document.title = title;
}

// --- the window ---

/** @param {MessageEvent} event */
function heard(event) {
  lastHeard = Date.now();
  const push = JSON.parse(event.data);
  if (push.type === "check") threadBehind = true;
  if (push.type === "message" && push.rev > (told.get(push.with)?.rev ?? 0)) told.set(push.with, { rev: push.rev, id: push.id });
  sync();
  refreshList();
}

/** Asks for all that may have been missed. */
async function catchUp() {
  threadBehind = true;
  const answers = await Promise.all([sync(), fetchList()]);
  return answers.every(Boolean);
}

function connect() {
  clearTimeout(reconnecting);
  reconnecting = undefined;
  const mine = new WebSocket(`${location.origin.replace(/^http/, "ws")}/ws`);
  socket = mine;
  mine.addEventListener("message", heard);
  mine.addEventListener("open", () => {
    failures = 0;
    lastHeard = Date.now();
    retry = { at: 0, pause: RETRY.least };
    showConnection("");
    catchUp();
    retryUnsent();
  });
  mine.addEventListener("close", (event) => {
    if (socket !== mine) return;
    socket = undefined;
    if (event.code !== 1008) later();
    else if (!leaving) signInAgain();
  });
}

/** Goes to where the reader signs in, is told why, and comes back from. What they were typing waits in this tab. */
function signInAgain() {
  location.href = `/login?${new URLSearchParams({ next: location.pathname + location.search, why: "ended" })}`;
}

/** Tries again after a pause; polls meanwhile, since some networks let no WebSocket through. */
function later() {
  failures++;
  if (failures === 1) showConnection("Reconnecting…");
  else poll();
  const pause = failures > 3 ? POLL : RECONNECT.least + Math.random() * (RECONNECT.most - RECONNECT.least);
  reconnecting ??= setTimeout(connect, pause);
}

async function poll() {
  const ok = await catchUp();
  if (socket?.readyState === WebSocket.OPEN) return;
  showConnection(ok ? "" : "Reconnecting…");
  if (ok) retryUnsent();
}

/** Opens the window again at once, unless it is open. */
function hurry() {
  if (socket) return;
  connect();
}

/** Drops a connection that can't be trusted any more, and opens another. */
function renew() {
  const old = socket;
  socket = undefined;
  old?.close();
  connect();
}

// --- the page ---

/** Whether a form that signs out is on its way: its answer says where to go. */
let leaving = false;
document.addEventListener("submit", (event) => {
  if (event.target instanceof HTMLFormElement && event.target.matches("[data-sign-out]")) leaving = !event.defaultPrevented;
});

/** Takes up what was swapped into the main pane. */
function entered() {
  toldRead = 0;
  enterComposer();
  const scroller = document.querySelector(".scroller");
  scroller?.addEventListener("scroll", () => {
    if (!atEnd()) return;
    document.getElementById("newest")?.setAttribute("hidden", "");
    markRead();
  });
  document.getElementById("newest")?.addEventListener("click", () => {
    if (thread()?.hasAttribute("data-whole")) toEnd();
    else toNewest();
    scroller instanceof HTMLElement && scroller.focus();
  });
  showUnread();
  for (const link of document.querySelectorAll("#conversations a[href]")) {
    if (link.getAttribute("href") === location.pathname) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

/** @param {string} text of something that failed and isn't shown anywhere else */
function notice(text) {
  const place = document.getElementById("notice");
  if (!place) return;
  place.textContent = text;
  setTimeout(() => {
    if (place.textContent === text) place.textContent = "";
  }, 6000);
}

/**
 * Watches a link that loads more by itself afresh: it stays in view after a failure, so nothing else would set it off.
 * @param {Element} link
 */
function watchAgain(link) {
  if (link.isConnected) htmx.process(link, true);
}

// htmx comes after this module, and says so before it looks at the page: then it knows the swap style "thread" from the
// first fetch on. Without htmx the page stays as it is without scripts.
document.addEventListener("htmx:before:process", register, { once: true });
document.addEventListener(
  "htmx:after:process",
  () => {
    entered();
    connect();
  },
  { once: true },
);

document.addEventListener("htmx:after:swap", (event) => {
  const target = /** @type {CustomEvent} */ (event).detail.ctx?.target;
  if (target?.id !== "main") return;
  entered();
  sync();
  refreshList();
});
for (const failure of ["htmx:response:error", "htmx:error"]) {
  document.addEventListener(failure, (event) => {
    const { sourceElement } = /** @type {CustomEvent} */ (event).detail.ctx ?? {};
    // What somebody asked for; what the page fetches by itself is tried again without a word.
    if (sourceElement?.matches("a, input")) notice("That couldn’t be loaded. Try again in a moment.");
    if (sourceElement?.closest(".more")) setTimeout(() => watchAgain(sourceElement), POLL);
  });
}
addEventListener("online", renew);
addEventListener("offline", () => {
  showConnection("Reconnecting…");
  socket?.close();
});
addEventListener("focus", hurry);
document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  if (Date.now() - lastTick > ASLEEP) renew();
  else hurry();
  markRead();
});

/** When what wasn't sent is tried again while the window is open, and after which pause the time after that. */
let retry = { at: 0, pause: RETRY.least };

let lastTick = Date.now();
setInterval(tick, TICK);

/** Looks after what no event sets off again: a machine that slept, a fetch that failed, a connection that died unnoticed. */
function tick() {
  const now = Date.now();
  const late = now - lastTick > ASLEEP;
  lastTick = now;
  if (document.hidden) return; // browsers slow hidden pages' clocks down; the look is made up for when it is shown
  if (late) return renew();
  if (!socket) return;
  markRead();
  if (hasUnsent() && now >= retry.at) {
    retry = { at: now + retry.pause, pause: Math.min(2 * retry.pause, RETRY.most) };
    return makeGood();
  }
  if (threadBehind || listBehind) return catchUp();
  if (now - lastHeard < QUIET) return;
  lastHeard = now;
  catchUp();
}

async function makeGood() {
  if (await catchUp()) retryUnsent();
}
