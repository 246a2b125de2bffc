/** More words than any name has; a display name may have thousands. */
const MAX_WORDS = 50;

/**
 * The words of a name for comparison: order, case, accents and punctuation do not matter, so that
 * `DOE, Jäne` is `Jane Doe`.
 */
export function nameWords(text: string): readonly string[] {
  const plain = text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
  return (plain.match(/[\p{L}\p{N}]+/gu) ?? []).slice(0, MAX_WORDS);
}

/** True when every word of the name is in the text. */
export function holdsName(text: string, name: string): boolean {
  const words = new Set(nameWords(text));
  return nameWords(name).every((word) => words.has(word));
}

/** Addresses in a text that people read, in the order they stand; only their domains. */
export function domainsIn(text: string): readonly string[] {
  const found = text.matchAll(/@((?:[a-z0-9-]{1,63}\.){1,10}[a-z0-9-]{2,63})/gi);
  return [...found].slice(0, MAX_WORDS).map((match) => (match[1] ?? "").toLowerCase());
}
