import { decodeStrictUtf8 } from "./strict-utf8.ts";

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
  const text = decodeStrictUtf8(line);
  if (text === null || /[\x00-\x1f\x7f]/.test(text)) return null;
  const space = text.indexOf(" ");
  const verb = space < 0 ? text : text.slice(0, space);
  // Blanks before CRLF are to be tolerated (RFC 5321 4.1.1).
  return { verb: verb.toUpperCase(), argument: space < 0 ? "" : text.slice(space).trim() };
}

/**
 * What a browser, an SSH client, or a proxy that nobody announced says; commands hidden in what
 * follows must not run.
 */
export function isForeignProtocol(verb: string): boolean {
  return (
    /^(?:GET|POST|PUT|HEAD|DELETE|OPTIONS|TRACE|CONNECT|PATCH|PROPFIND|PRI|PROXY)$/.test(verb) ||
    /^SSH-[0-9]/.test(verb)
  );
}

/**
 * True for an octet with which no line of SMTP begins: binary protocols (TLS 16, RDP 03), headers
 * and bodies. A CR may be an empty line, and blanks are a typing error.
 */
export function isForeignStart(octet: number): boolean {
  const isLetter = (octet >= 0x41 && octet <= 0x5a) || (octet >= 0x61 && octet <= 0x7a);
  return !isLetter && octet !== CR && octet !== LF && octet !== BLANK;
}

const LF = 0x0a;
const CR = 0x0d;
const BLANK = 0x20;
