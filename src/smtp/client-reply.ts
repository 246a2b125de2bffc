import type { RemoteReply } from "./smtp-client.ts";

/** Enough for an operator to read; what is longer comes from somebody who wants to fill a disk. */
const MAX_TEXT = 2000;

/**
 * Reads a whole reply, its lines parted by LF. Null when it is none: no three digits, or lines
 * that disagree about the code (RFC 5321 4.2.1).
 */
export function parseRemoteReply(raw: string): RemoteReply | null {
  const lines = raw.split("\n").map((line) => /^([2-5]\d\d)(?:[ -](.*))?$/s.exec(line.trimEnd()));
  const code = lines[0]?.[1];
  if (code === undefined || lines.some((line) => line?.[1] !== code)) return null;
  const texts = lines.map((line) => printable(line?.[2] ?? ""));
  const status = statusIn(texts[0] ?? "", code);
  const words = texts.map((text) => withoutStatus(text, status));
  return { code: Number(code), status, text: words.join(" ").trim().slice(0, MAX_TEXT) };
}

/** A reply that we give ourselves in the other side's stead. */
export function localReply(code: number, status: string, text: string): RemoteReply {
  return { code, status, text, isOurs: true };
}

/** `550 5.1.1 text` for logs and facts. */
export function formatRemoteReply(reply: RemoteReply): string {
  return [String(reply.code), reply.status, reply.text].filter(Boolean).join(" ");
}

/** RFC 2034: the class of the enhanced code must be that of the basic code, else it is text. */
function statusIn(text: string, code: string): string | null {
  const status = /^([245])\.\d{1,3}\.\d{1,3}(?= |$)/.exec(text)?.[0] ?? null;
  return status?.[0] === code[0] ? status : null;
}

function withoutStatus(text: string, status: string | null): string {
  return status !== null && text.startsWith(status) ? text.slice(status.length).trimStart() : text;
}

/** Controls could forge log lines, and replies when we pass the text on (threats.md P7, W8). */
function printable(text: string): string {
  return text.replace(/[\x00-\x1f\x7f-\x9f]/g, " ");
}
