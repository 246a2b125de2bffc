/** A command line cut into its verb, in upper case, and the rest without blanks around it. */
export interface CommandLine {
  readonly verb: string;
  readonly argument: string;
}

/**
 * Null when the octets are no text that a command may be made of: controls, or octets above 127 that
 * are not UTF-8. Such a line is never looked at further, so that no NUL or CR can reach an envelope
 * (threats.md P7).
 */
export function splitCommandLine(line: Buffer): CommandLine | null {
  const text = toText(line);
  if (text === null || /[\x00-\x1f\x7f]/.test(text)) return null;
  const space = text.indexOf(" ");
  const verb = space < 0 ? text : text.slice(0, space);
  // Blanks before CRLF are to be tolerated (RFC 5321 4.1.1).
  return { verb: verb.toUpperCase(), argument: space < 0 ? "" : text.slice(space).trim() };
}

/**
 * What a browser, a proxy or another foreign protocol says first; commands hidden in its body must
 * not run, and a PROXY line of a peer that may not send one must not look as if it had helped.
 */
export function isForeignProtocol(verb: string): boolean {
  return (
    /^(?:GET|POST|PUT|HEAD|DELETE|OPTIONS|TRACE|CONNECT|PATCH|PROPFIND|PROXY)$/.test(verb) ||
    !/^[A-Z]/.test(verb)
  );
}

function toText(line: Buffer): string | null {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(line);
  } catch {
    return null;
  }
}
