import { fileNameReadings, hasDirectionOverride } from "./file-name.ts";
import { type HeaderBlock, trimBlanks, trimBlanksAtEnd, unfold } from "./header-block.ts";
import type { MimeNote, MimePart } from "./mime-part.ts";
import { parameterReadings } from "./parameter-readings.ts";
import { type ParameterisedValue, parseParameterised, withoutComments } from "./parameters.ts";
import { isKnownEncoding } from "./transfer-decoder.ts";

/** RFC 2046 5.1.1. A longer one is still heeded, so that its parts are seen, and noted. */
const BOUNDARY_CHARS_MAX = 70;
/** Copies of one field that are looked at. More differ, or are noise. */
const COPIES_MAX = 4;
const NAMES_MAX = 16;
/** Each is compared with every line that starts with `--`. */
const BOUNDARIES_MAX = 8;
/** RFC 6838 4.2: type and subtype have at most 127 characters each. */
const TYPE_CHARS_MAX = 255;

/** What the header of one part says about it. */
export interface PartHeader {
  readonly kind: "multipart" | "message" | "leaf";
  readonly declaredTypes: readonly string[];
  readonly encodings: readonly string[];
  readonly disposition: MimePart["disposition"];
  readonly fileNames: readonly string[];
  /** Every boundary that some reader heeds, without trailing blanks. */
  readonly boundaries: readonly string[];
  readonly notes: readonly MimeNote[];
}

/** `defaultType` stands for an absent Content-Type: message/rfc822 in a digest (RFC 2046 5.1.5). */
export function readPartHeader(header: HeaderBlock, defaultType: string | null): PartHeader {
  const notes = new Set<MimeNote>();
  const types = copiesOf(header, "content-type", "duplicate-content-type", notes);
  const dispositions = copiesOf(header, "content-disposition", "duplicate-disposition", notes);
  const declaredTypes = readTypes(types, notes);
  const effective = types.length === 0 && defaultType !== null ? [defaultType] : declaredTypes;
  const encodings = readEncodings(header, notes);
  const boundaries = readBoundaries(types, notes);
  const fileNames = readFileNames(types, dispositions, notes);
  const kind = kindOf(effective, boundaries, fileNames, notes);
  if (kind !== "leaf" && encodings.some((name) => name !== "" && !IDENTITY.includes(name))) {
    notes.add("encoded-container");
  }
  return {
    kind,
    declaredTypes,
    encodings,
    disposition: readDisposition(dispositions),
    fileNames,
    boundaries: kind === "multipart" ? boundaries : [],
    notes: [...notes],
  };
}

const IDENTITY: readonly string[] = ["7bit", "8bit", "binary"];

function copiesOf(
  header: HeaderBlock,
  name: string,
  note: MimeNote,
  notes: Set<MimeNote>,
): readonly ParameterisedValue[] {
  const values = new Set(header.all(name).map(({ rawValue }) => unfold(rawValue)));
  if (values.size > 1) notes.add(note);
  const copies = [...values].slice(0, COPIES_MAX).map(parseParameterised);
  if (copies.some(({ truncated }) => truncated)) notes.add("limit-header");
  if (copies.some(({ contradictory }) => contradictory)) notes.add("duplicate-parameter");
  return copies;
}

function readTypes(types: readonly ParameterisedValue[], notes: Set<MimeNote>): readonly string[] {
  const readings = types.flatMap(({ main }) => {
    const [reading] = MEDIA_TYPE.exec(main.replace('"', "")) ?? [];
    if (reading === undefined) notes.add("header-malformed");
    return reading === undefined ? [] : [reading.slice(0, TYPE_CHARS_MAX)];
  });
  return [...new Set(readings)];
}

/** Tokens (RFC 2045 5.1), lower case. Readers take `multipart/` for a multipart. */
const MEDIA_TYPE = /^[!#-'*+.0-9^-~-]+\/[!#-'*+.0-9^-~-]*/;

function readEncodings(header: HeaderBlock, notes: Set<MimeNote>): readonly string[] {
  const fields = header.all("content-transfer-encoding");
  const names = new Set(fields.map(({ rawValue }) => toEncodingName(unfold(rawValue))));
  if (names.size > 1) notes.add("duplicate-encoding");
  if ([...names].some((name) => !isKnownEncoding(name))) notes.add("unknown-encoding");
  return [...names].filter((name) => name !== "").slice(0, COPIES_MAX);
}

/** The first word without comment, quotes and what some mailers put after a semicolon. */
function toEncodingName(value: string): string {
  const plain = trimBlanks(withoutComments(value)).replaceAll('"', "").toLowerCase();
  return (/^[^\s;]{1,40}/.exec(plain) ?? [""])[0];
}

function readBoundaries(
  types: readonly ParameterisedValue[],
  notes: Set<MimeNote>,
): readonly string[] {
  const spoken = types.flatMap(({ parameters }) => [
    // As written first: octets are compared, and most readers decode nothing here.
    ...parameters.filter(({ name }) => name === "boundary").map(({ value }) => value),
    ...parameterReadings(parameters, "boundary").map(toOctets),
  ]);
  if (spoken.some((boundary) => boundary.length > BOUNDARY_CHARS_MAX))
    notes.add("boundary-too-long");
  if (spoken.some(isOdd)) notes.add("boundary-odd");
  // Trailing blanks cannot be told from padding; leading ones some readers cut.
  // Where a boundary was folded, some make one blank of several.
  const kept = spoken.flatMap((boundary) => [
    trimBlanks(boundary),
    trimBlanksAtEnd(boundary),
    trimBlanks(boundary).replace(/[ \t]+/g, " "),
  ]);
  const boundaries = new Set(kept.filter((boundary) => boundary !== ""));
  if (boundaries.size > 1) notes.add("boundary-odd");
  return [...boundaries].slice(0, BOUNDARIES_MAX);
}

/** Text as latin1 of its UTF-8. */
function toOctets(text: string): string {
  return Buffer.from(text, "utf8").toString("latin1");
}

/** Blanks at an end, quotes, controls and octets above 127: cut, kept or decoded by reader. */
function isOdd(boundary: string): boolean {
  return boundary !== trimBlanks(boundary) || /[^ !#-[\]-~]/.test(boundary);
}

function kindOf(
  types: readonly string[],
  boundaries: readonly string[],
  fileNames: readonly string[],
  notes: Set<MimeNote>,
): PartHeader["kind"] {
  if (types.includes("message/partial")) notes.add("message-partial");
  if (types.includes("message/external-body")) notes.add("message-external-body");
  if (types.some((type) => type.startsWith("multipart/"))) {
    if (boundaries.length > 0) return "multipart";
    notes.add("boundary-missing");
  }
  const isMessage = types.some((type) => MESSAGE_TYPES.includes(type));
  return isMessage || fileNames.some((name) => MESSAGE_NAME.test(name)) ? "message" : "leaf";
}

/** Saved messages and pages: who opens one sees its parts, whatever type it was declared to be. */
const MESSAGE_NAME = /\.(?:eml|mht|mhtml|nws)$/i;

/** RFC 2046 5.2.1, RFC 6532 3.7, and the historic name for news. */
const MESSAGE_TYPES: readonly string[] = ["message/rfc822", "message/global", "message/news"];

function readDisposition(copies: readonly ParameterisedValue[]): MimePart["disposition"] {
  if (copies.length === 0) return null;
  // RFC 2183 2.8: an unknown disposition is an attachment. Of several copies the louder counts.
  return copies.every(({ main }) => main === "inline") ? "inline" : "attachment";
}

function readFileNames(
  types: readonly ParameterisedValue[],
  dispositions: readonly ParameterisedValue[],
  notes: Set<MimeNote>,
): readonly string[] {
  const raw = [
    ...dispositions.flatMap(({ parameters }) => parameterReadings(parameters, "filename")),
    ...types.flatMap(({ parameters }) => parameterReadings(parameters, "name")),
    // Each belongs in the other field; some readers look there all the same.
    ...dispositions.flatMap(({ parameters }) => parameterReadings(parameters, "name")),
    ...types.flatMap(({ parameters }) => parameterReadings(parameters, "filename")),
  ];
  if (raw.some(hasDirectionOverride)) notes.add("name-disguised");
  if (raw.some((name) => name.includes("\0"))) notes.add("nul-octet");
  const names = [...new Set(raw.flatMap(fileNameReadings))];
  if (names.length > NAMES_MAX) notes.add("limit-header");
  if (new Set(names.map(extensionOf).filter(Boolean)).size > 1) notes.add("name-conflict");
  return names.slice(0, NAMES_MAX);
}

function extensionOf(name: string): string {
  const dot = name.lastIndexOf(".");
  return dot < 0 ? "" : name.slice(dot + 1).toLowerCase();
}
