import type { TrueType } from "./true-type-words.ts";

/** Anywhere: browsers and mshta take a page behind a picture too. */
const MARKS: readonly (readonly [TrueType, string])[] = [
  ["hta", "<hta:application"],
  ["html", "<!doctype html"],
  ["html", "<html"],
  ["html", "<head"],
  ["html", "<body"],
  ["html", "<script"],
  ["html", "<iframe"],
  ["svg", "<svg"],
  ["script", "<scriptlet"],
  ["script", "<package"],
  ["url", "[internetshortcut]"],
  ["library-ms", "<librarydescription"],
  ["search-ms", "<persistedquery"],
  ["settingcontent-ms", "<pcsettings"],
];

/** Files written out in a letter, as readers of old, and of news, take them out of it. */
const WRITTEN_OUT: readonly (readonly [TrueType, RegExp])[] = [
  ["yenc", /^=ybegin [^\n]*\bname=/m],
  ["binhex", /^\(this file must be converted with binhex[^\n]*\n[\r\n]*:/m],
];

/** What a text begins with, behind a byte order mark and blanks. */
const STARTS: readonly (readonly [TrueType, RegExp])[] = [
  ["script", /^#!/],
  ["script", /^(?:<job[\s>]|@?echo off\b)/],
  ["rtf", /^\{\\rt/],
  ["reg", /^(?:windows registry editor version |regedit4)/],
];

/** Enough for any start. */
const START_CHARS = 200;

/** Types that are told by words, in any letter case, in one octet or two to a character. */
export function typesByText(head: Buffer): readonly TrueType[] {
  // Without its NULs UTF-16 looks like ASCII, and readers drop a stray NUL too.
  const text = head.toString("latin1").replaceAll("\0", "").toLowerCase();
  const start = text.slice(0, START_CHARS).replace(/^(?:\xef\xbb\xbf|\xff\xfe|\xfe\xff)?\s*/, "");
  return [
    ...MARKS.filter(([, mark]) => text.includes(mark)).map(([type]) => type),
    ...WRITTEN_OUT.filter(([, pattern]) => pattern.test(text)).map(([type]) => type),
    ...STARTS.filter(([, pattern]) => pattern.test(start)).map(([type]) => type),
  ];
}
