/** Longest registered name is 45 characters (IANA character sets). */
const LABEL_CHARS_MAX = 64;

/** The text of octets in a charset as mail names it. Never throws: what cannot be read is U+FFFD. */
export function decodeCharset(bytes: Buffer, label: string): string {
  const decoder = toDecoder(label);
  return decoder ? decoder.decode(bytes) : decodeUnlabelled(bytes);
}

/** Octets that name no charset, or none that we know: UTF-8 when they are, else Windows-1252. */
export function decodeUnlabelled(bytes: Buffer): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return new TextDecoder("windows-1252").decode(bytes);
  }
}

function toDecoder(label: string): TextDecoder | null {
  if (label.length > LABEL_CHARS_MAX) return null;
  try {
    return new TextDecoder(label);
  } catch {
    return null;
  }
}
