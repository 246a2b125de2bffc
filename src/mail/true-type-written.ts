import type { TrueType } from "./true-type-words.ts";

/** Files written out in a letter, as readers of old, and of news, take them out of it: at a line's start. */
const FORMS: readonly { readonly type: TrueType; readonly mark: Buffer; readonly whole: RegExp }[] =
  [
    { type: "yenc", mark: Buffer.from("\n=ybegin "), whole: /^\n=ybegin [^\n]*\bname=/ },
    {
      type: "binhex",
      mark: Buffer.from("\n(This file must be converted with BinHex"),
      whole: /^\n\(This file must be converted with BinHex[^\n]*\n[\r\n]*:/,
    },
  ];

/** Both forms are told by so much; a name may be as long as it likes behind it. */
const FORM_BYTES = 512;
const ROOM_BYTES = 16 * FORM_BYTES;

/** Looks for them in all of a part, as it streams by: a long letter before one must not hide it. */
export interface WrittenWatch {
  write(chunk: Buffer): void;
  types(): readonly TrueType[];
}

export function createWrittenWatch(): WrittenWatch {
  const found = new Set<TrueType>();
  const room = Buffer.alloc(ROOM_BYTES);
  // What begins the part begins a line.
  let filled = room.write("\n");

  function look(): void {
    const seen = room.subarray(0, filled);
    for (const { type, mark, whole } of FORMS)
      if (!found.has(type) && isIn(seen, mark, whole)) found.add(type);
  }

  return {
    write(chunk) {
      for (let at = 0; at < chunk.length; ) {
        const copied = chunk.copy(room, filled, at);
        at += copied;
        filled += copied;
        if (filled < ROOM_BYTES) return;
        look();
        room.copyWithin(0, filled - FORM_BYTES);
        filled = FORM_BYTES;
      }
    },
    types() {
      look();
      return [...found];
    },
  };
}

/** The next mark is looked for behind the last: hostile text has many, and each is read once. */
function isIn(seen: Buffer, mark: Buffer, whole: RegExp): boolean {
  for (let at = seen.indexOf(mark); at >= 0; at = seen.indexOf(mark, at + mark.length)) {
    if (whole.test(seen.toString("latin1", at, at + FORM_BYTES))) return true;
  }
  return false;
}
