import { foldHeader } from "./fold-header.ts";
import { type HeaderField, toNameKey } from "./header-block.ts";
import type { Message, MessageSource } from "./message.ts";

export interface HeaderEdits {
  /** True for a field that goes: whole, with its folds. Absent: all stay. */
  readonly remove?: (field: HeaderField) => boolean;
  /** In the order in which they will stand, above everything else. Values on one line, ASCII. */
  readonly addOnTop?: readonly { readonly name: string; readonly value: string }[];
}

/** A predicate for `remove`. Names compare without case and without blanks before the colon. */
export function isNamedOneOf(names: readonly string[]): (field: HeaderField) => boolean {
  const keys = new Set(names.map(toNameKey));
  return (field) => keys.has(toNameKey(field.name));
}

/**
 * The message with other header fields. What stays is the same octets, the body always. Nothing is
 * read before `read`. Throws TypeError for a field that cannot be written (see foldHeader).
 */
export function applyHeaderEdits(message: Message, edits: HeaderEdits): MessageSource {
  const { remove = () => false, addOnTop = [] } = edits;
  const removed = message.headers.fields.filter(remove);
  const lines = addOnTop.map(({ name, value }) => foldHeader(name, value));
  if (lines.length > 0 && startsWithContinuation(message, removed)) lines.push(GUARD);
  const top = Buffer.from(lines.join(""), "latin1");
  const removedBytes = removed.reduce((total, { start, end }) => total + end - start, 0);
  return {
    size: top.length + message.size - removedBytes,
    read: () => readEdited(message, top, removed),
  };
}

/**
 * A message whose first line starts with a blank would continue the last field that we add: the
 * sender would write into it. The line continues this one instead.
 */
const GUARD = "X-Malformed-Header:\r\n";

function startsWithContinuation(message: Message, removed: readonly HeaderField[]): boolean {
  const first = message.headers.fields[0];
  return first !== undefined && /^[\t ]/.test(first.name + first.rawValue) && removed[0] !== first;
}

async function* readEdited(
  message: Message,
  top: Buffer,
  removed: readonly HeaderField[],
): AsyncGenerator<Buffer, void, undefined> {
  yield* inChunks(top);
  let position = 0;
  let next = 0;
  for await (const chunk of message.read()) {
    const end = position + chunk.length;
    let from = position;
    for (let field = removed[next]; field && field.start < end; field = removed[next]) {
      if (field.start > from) yield chunk.subarray(from - position, field.start - position);
      from = Math.max(from, Math.min(field.end, end));
      if (field.end > end) break;
      next++;
    }
    if (from < end) yield chunk.subarray(from - position);
    position = end;
  }
}

const CHUNK_BYTES = 64 * 1024;

function* inChunks(bytes: Buffer): Generator<Buffer, void, undefined> {
  for (let at = 0; at < bytes.length; at += CHUNK_BYTES) yield bytes.subarray(at, at + CHUNK_BYTES);
}
