// Fields for passwords: a button shows what is in them, and a new password is judged while it is typed. The judgement is a
// rough estimate of how many tries a guesser needs who knows words, names and keyboards. It only advises: what is refused,
// the commonest passwords above all, is up to the server.

const LEAST = 8;

/** What is tried first, besides what is typed into the rest of the form. */
const WORDS = (
  "password passwort passwd secret geheim qwerty qwertz azerty asdf zxcv letmein welcome willkommen admin login " +
  "master hello iloveyou monkey dragon football baseball soccer sunshine princess shadow superman batman freedom " +
  "whatever trustno starwars pokemon summer winter spring autumn january february march april june july august " +
  "september october november december monday friday sunday parley"
).split(" ");

/** Characters that stand beside each other somewhere. */
const ROWS = ["abcdefghijklmnopqrstuvwxyz", "01234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm", "qwertzuiop", "yxcvbnm", "1qaz2wsx3edc4rfv5tgb"];

/** What stands for a letter. */
const LOOKS_LIKE = new Map(Object.entries({ "@": "a", 4: "a", 3: "e", 1: "i", "!": "i", 0: "o", $: "s", 5: "s", 7: "t" }));

/** Bits for what costs a guesser little. */
const NAME = 3;
const WORD = 8;
const RUN = 6; // of the same or of neighbouring characters
const YEAR = 6;
const SIGN = 4;

/**
 * @param {string} a
 * @param {string} b
 * @returns {boolean} whether b often follows a
 */
const follows = (a, b) => a === b || ROWS.some((row) => row.includes(a + b) || row.includes(b + a));

/**
 * @param {string} text
 * @param {number} at
 * @returns {number} how many characters from there on go on as they begin
 */
function runAt(text, at) {
  let n = 1;
  while (at + n < text.length && follows(text[at + n - 1], text[at + n])) n++;
  return n;
}

/**
 * Letters are a word of some language, and their number says more or less how rare it is, unless no word has so few vowels.
 * @param {string} letters
 * @returns {number} bits
 */
function lettersBits(letters) {
  const random = 4.7 * letters.length;
  if (/^[a-z]+$/.test(letters) && letters.replace(/[^aeiouy]/g, "").length < letters.length / 5) return random;
  return Math.min(random, 6 + 1.2 * letters.length);
}

/**
 * @param {string} piece letters, figures or one sign
 * @returns {number} bits
 */
function pieceBits(piece) {
  if (/^\p{L}/u.test(piece)) return lettersBits(piece);
  if (/^(19|20)\d\d$/.test(piece)) return YEAR;
  return /^\p{N}/u.test(piece) ? 3.3 * piece.length : SIGN;
}

/**
 * @param {string} password
 * @param {string[]} names that a guesser knows
 * @returns {number} about how many bits it is worth
 */
function estimate(password, names) {
  const text = password.normalize("NFKC").toLowerCase();
  const letters = text.replace(/./gsu, (c) => LOOKS_LIKE.get(c) ?? c); // of the same length
  const known = [...names.map((n) => ({ word: n.toLowerCase(), bits: NAME })), ...WORDS.map((word) => ({ word, bits: WORD }))];
  const seen = new Set();
  let bits = /\P{Lu}\p{Lu}/u.test(password) ? 3 : 0; // capitals but for the first
  for (let at = 0; at < text.length; ) {
    const name = known.find(({ word }) => text.startsWith(word, at) || letters.startsWith(word, at));
    const run = runAt(text, at);
    const length = name?.word.length ?? (run > 2 ? run : (/^(\p{L}+|\p{N}+|.)/su.exec(text.slice(at))?.[0].length ?? 1));
    const piece = text.slice(at, at + length);
    const worth = name?.bits ?? (run > 2 ? RUN : pieceBits(piece));
    bits += seen.has(piece) ? Math.min(worth, 1) : worth;
    seen.add(piece);
    at += length;
  }
  return bits;
}

/** From how many bits on each level is reached, and what is said of it. */
const LEVELS = [
  { from: 0, text: "easy to guess." },
  { from: 25, text: "could be better; another word or two would help." },
  { from: 36, text: "good." },
  { from: 50, text: "very good." },
];

/**
 * @param {string} password
 * @param {string[]} names
 * @returns {{level: number, text: string}} level from 0, not enough yet, to 4
 */
function judge(password, names) {
  const missing = LEAST - [...password].length;
  if (missing > 0) return { level: 0, text: missing === 1 ? "One more character is needed." : `${missing} more characters are needed.` };
  const bits = estimate(password, names);
  const level = LEVELS.filter((l) => l.from <= bits).length;
  return { level, text: `Strength, as a rough estimate: ${LEVELS[level - 1].text}` };
}

class PasswordField extends HTMLElement {
  connectedCallback() {
    const input = this.querySelector("input");
    const button = this.querySelector("button");
    if (!input || !button) return;
    button.hidden = false;
    button.addEventListener("click", () => this.show(input.type === "password"));
    input.form?.addEventListener("submit", () => this.show(false)); // browsers offer to save what such a field holds
    if (this.querySelector("meter")) input.addEventListener("input", () => this.judge(input));
  }

  /** @param {boolean} shown */
  show(shown) {
    const input = this.querySelector("input");
    const label = this.querySelector("button > span");
    if (input) input.type = shown ? "text" : "password";
    if (label) label.textContent = shown ? "Hide" : "Show";
  }

  /** @param {HTMLInputElement} input */
  judge(input) {
    const place = this.querySelector(".strength");
    const meter = this.querySelector("meter");
    const output = this.querySelector("output");
    if (!place || !meter || !output) return;
    place.toggleAttribute("hidden", input.value === "");
    const { level, text } = judge(input.value, namesIn(input.form));
    meter.value = level;
    if (output.textContent !== text) output.textContent = text; // screen readers read each change
  }
}

/**
 * @param {HTMLFormElement | null} form
 * @returns {string[]} what the form's other fields say of whose password it is
 */
function namesIn(form) {
  const typed = ["username", "display_name", "email"].map((name) => String(new FormData(form ?? undefined).get(name) ?? ""));
  return typed.flatMap((text) => [text, ...text.split(/[^\p{L}\p{N}]+/u)]).filter((word) => word.length > 2);
}

customElements.define("password-field", PasswordField);
