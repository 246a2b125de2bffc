import { foldHeader } from "./fold-header.ts";
import { type HeaderField, toNameKey } from "./header-block.ts";
import type { Message, MessageSource } from "./message.ts";

export interface HeaderEdits {
  /** True for a field that goes: whole, with its folds. Absent: all stay. */
  readonly remove?: (field: HeaderField) => boolean;
  /** In the order in which they will stand, above everything else. Values on one line, ASCII. */
  readonly addOnTop?: readonly { readonly name: string; readonly value: string }[];
  /** Inside the values of fields that stay; those of fields that go are left out. */
  readonly replace?: readonly Replacement[];
}

/** Octets of one field's value, by their place in the message, one octet a char. */
export interface Replacement {
  readonly name: string;
  readonly at: number;
  readonly old: string;
  readonly text: string;
}

/** A predicate for `remove`. Names compare without case and without blanks before the colon. */
export function isNamedOneOf(names: readonly string[]): (field: HeaderField) => boolean {
  const keys = new Set(names.map(toNameKey));
  return (field) => keys.has(toNameKey(field.name));
}

/**
 * The message with other header fields. What stays is the same octets, the body always. Nothing is
 * read before `read`. Throws TypeError for a field that cannot be written (see foldHeader), and for
 * a replacement that does not fit: of octets that are not there, or by text with a line break.
 */
export function applyHeaderEdits(message: Message, edits: HeaderEdits): MessageSource {
  const { remove = () => false, addOnTop = [], replace = [] } = edits;
  const removed = message.headers.fields.filter(remove);
  const lines = addOnTop.map(({ name, value }) => foldHeader(name, value));
  if (lines.length > 0 && startsWithContinuation(message, removed)) lines.push(GUARD);
  const top = Buffer.from(lines.join(""), "latin1");
  const patches = toPatches(message, removed, replace);
  const grown = patches.reduce(
    (sum, { start, end, bytes }) => sum + bytes.length - (end - start),
    0,
  );
  return {
    size: top.length + message.size + grown,
    read: () => readEdited(message, top, patches),
    inMemory: () => editedInMemory(message, top, patches),
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

/** Octets that others stand in for. In order and apart. */
interface Patch {
  readonly start: number;
  readonly end: number;
  readonly bytes: Buffer;
}

const NOTHING = Buffer.alloc(0);

function toPatches(
  message: Message,
  removed: readonly HeaderField[],
  replace: readonly Replacement[],
): readonly Patch[] {
  if (replace.length === 0)
    return removed.map(({ start, end }) => ({ start, end, bytes: NOTHING }));
  const gone = new Set(removed);
  const { fields } = message.headers;
  const patches: Patch[] = removed.map(({ start, end }) => ({ start, end, bytes: NOTHING }));
  let next = 0;
  for (const one of replace.toSorted((a, b) => a.at - b.at)) {
    while (next < fields.length && (fields[next]?.end ?? 0) <= one.at) next += 1;
    const field = fields[next];
    if (!field) throw new TypeError(`no header field at octet ${one.at}`);
    if (!gone.has(field)) patches.push(toPatch(field, one));
  }
  return inOrder(patches);
}

function toPatch(field: HeaderField, { name, at, old, text }: Replacement): Patch {
  const from = at - (field.start + field.name.length + 1);
  const there = from < 0 ? null : field.rawValue.slice(from, from + old.length);
  if (there !== old || toNameKey(field.name) !== toNameKey(name))
    throw new TypeError(`${JSON.stringify(old)} does not stand at octet ${at} in ${name}`);
  if (!/^[\t -~]*$/.test(text))
    throw new TypeError(`not a text for ${name}: ${JSON.stringify(text)}`);
  return { start: at, end: at + old.length, bytes: Buffer.from(text, "latin1") };
}

function inOrder(patches: readonly Patch[]): readonly Patch[] {
  const sorted = patches.toSorted((a, b) => a.start - b.start);
  const clash = sorted.find(({ start }, i) => start < (sorted[i - 1]?.end ?? 0));
  if (clash) throw new TypeError(`two edits of the octet ${clash.start}`);
  return sorted;
}

async function* readEdited(
  message: Message,
  top: Buffer,
  patches: readonly Patch[],
): AsyncGenerator<Buffer, void, undefined> {
  yield* inChunks(top);
  const patched = createPatcher(patches);
  for await (const chunk of message.read()) yield* patched(chunk);
}

function editedInMemory(
  message: Message,
  top: Buffer,
  patches: readonly Patch[],
): readonly Buffer[] | null {
  const chunks = message.inMemory?.();
  if (!chunks) return null;
  const patched = createPatcher(patches);
  return [...inChunks(top), ...chunks.flatMap(patched)];
}

/** For the chunks of one message, in their order. */
function createPatcher(patches: readonly Patch[]): (chunk: Buffer) => readonly Buffer[] {
  let position = 0;
  let next = 0;
  return (chunk) => {
    const patched: Buffer[] = [];
    const end = position + chunk.length;
    let from = position;
    for (let patch = patches[next]; patch && patch.start < end; patch = patches[next]) {
      if (patch.start > from) patched.push(chunk.subarray(from - position, patch.start - position));
      if (patch.start >= position && patch.bytes.length > 0) patched.push(patch.bytes);
      from = Math.max(from, Math.min(patch.end, end));
      if (patch.end > end) break;
      next++;
    }
    if (from < end) patched.push(chunk.subarray(from - position));
    position = end;
    return patched;
  };
}

const CHUNK_BYTES = 64 * 1024;

function* inChunks(bytes: Buffer): Generator<Buffer, void, undefined> {
  for (let at = 0; at < bytes.length; at += CHUNK_BYTES) yield bytes.subarray(at, at + CHUNK_BYTES);
}
