import { type HeaderBlock, parseHeaderBlock } from "./header-block.ts";
import type { MimeNote } from "./mime-part.ts";

/** The lines of one part's header while they arrive. */
export interface HeaderLines {
  add(line: Buffer): void;
  /** Something of the header was dropped. */
  overflow(): void;
  /** Octets that may still come. */
  room(): number;
  /** The block, and what is wrong with it. */
  finish(): {
    readonly block: HeaderBlock;
    readonly octets: number;
    readonly notes: readonly MimeNote[];
  };
}

/** Lines over either limit are dropped and noted as `limit-header`. */
export function createHeaderLines(maxBytes: number, maxLines: number): HeaderLines {
  const lines: Buffer[] = [];
  let bytes = 0;
  let overflown = false;
  return {
    add(line) {
      if (bytes + line.length > maxBytes || lines.length >= maxLines) {
        overflown = true;
        return;
      }
      bytes += line.length;
      lines.push(Buffer.from(line));
    },
    overflow() {
      overflown = true;
    },
    room: () => maxBytes - bytes,
    finish() {
      const notes = new Set<MimeNote>(overflown ? ["limit-header"] : []);
      const whole = withoutMarks(Buffer.concat(lines, bytes), notes);
      if (whole.includes(0)) notes.add("nul-octet");
      if (/\r(?!\n)/.test(whole.toString("latin1"))) notes.add("bare-cr");
      const block = parseHeaderBlock(whole);
      if (block.fields.some(({ name }) => !FIELD_NAME.test(name))) notes.add("header-malformed");
      return { block, octets: bytes, notes: [...notes] };
    },
  };
}

/** RFC 5322 2.2, with the blanks before the colon that old syntax allows. */
const FIELD_NAME = /^[!-9;-~]+[ \t]*$/;

/** Without a byte order mark and the `From ` line of a mailbox file, which hide the first field. */
function withoutMarks(header: Buffer, notes: Set<MimeNote>): Buffer {
  let rest = header;
  if (rest[0] === 0xef && rest[1] === 0xbb && rest[2] === 0xbf) {
    notes.add("header-malformed");
    rest = rest.subarray(3);
  }
  const mailboxLine = /^>?From [^\n]*\n/.exec(rest.toString("latin1", 0, MAILBOX_LINE_MAX));
  return mailboxLine ? rest.subarray(mailboxLine[0].length) : rest;
}

const MAILBOX_LINE_MAX = 1000;
