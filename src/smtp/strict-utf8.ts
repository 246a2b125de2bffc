/** Null for octets that are not UTF-8. A byte order mark is text like any other. */
export function decodeStrictUtf8(octets: Buffer): string | null {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(octets);
  } catch {
    return null;
  }
}
