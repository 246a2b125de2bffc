import type { AttachmentPart } from "./attachments-evidence.ts";
import type { AttachmentsOptions } from "./attachments-options.ts";
import { compilePatterns, type PatternList } from "./name-patterns.ts";

/** One reason why a part may not pass. */
export interface Forbidden {
  readonly path: string;
  /** The name that the sender may be told; the part's type where it has none. */
  readonly shown: string;
  readonly why: string;
}

/** The lists of a policy, compiled. */
export interface ForbiddenRules {
  find(part: AttachmentPart): readonly Forbidden[];
}

export function createForbiddenRules(options: AttachmentsOptions): ForbiddenRules {
  const trueTypes = new Set(options.trueTypes);
  const listed = options.mode === "deny" ? denyRules(options) : allowRules(options);
  return {
    find(part) {
      const found = [...listed.ofPart(part), ...ofTrueTypes(part, trueTypes)];
      return options.archives.inside ? [...found, ...insideOf(part, listed.ofEntry(part))] : found;
    },
  };
}

interface Rules {
  ofPart(part: AttachmentPart): readonly Forbidden[];
  /** How names inside the part are judged, if it is an archive. */
  ofEntry(part: AttachmentPart): Judge;
}

/** Why a name or a type is forbidden, or null. */
type Judge = (text: string) => string | null;

function denyRules({ names, types }: AttachmentsOptions): Rules {
  const ofName = listedIn(compilePatterns(names));
  const ofType = listedIn(compilePatterns(types));
  return {
    ofPart: (part) => judgePart(part, part.declaredTypes, ofName, ofType),
    ofEntry: () => ofName,
  };
}

/** Each name and each type must be listed: of two that differ, the reader may take the other. */
function allowRules({ allow, names }: AttachmentsOptions): Rules {
  const ofName = missingFrom(compilePatterns(allow.names));
  const ofType = missingFrom(compilePatterns(allow.types));
  const ofDocumentEntry = listedIn(compilePatterns(names));
  const documents = compilePatterns(DOCUMENT_NAMES);
  return {
    ofPart(part) {
      if (!isAttachment(part)) return [];
      const types = part.declaredTypes.filter((type) => !part.isContainer || !isCarrier(type));
      return judgePart(part, types, ofName, ofType);
    },
    ofEntry({ fileNames }) {
      const isDocument =
        fileNames.length > 0 && fileNames.every((name) => documents.match(name) !== null);
      return isDocument ? ofDocumentEntry : ofName;
    },
  };
}

/** Zip archives that programs open as one document: nobody lists what those are made of. */
const DOCUMENT_NAMES: readonly string[] = [
  ...["*.docx", "*.docm", "*.xlsx", "*.xlsm", "*.pptx", "*.pptm", "*.vsdx"],
  ...["*.odt", "*.ods", "*.odp", "*.odg", "*.epub", "*.pages", "*.numbers", "*.key"],
];

function listedIn(patterns: PatternList): Judge {
  return (text) => {
    const pattern = patterns.match(text);
    return pattern === null ? null : `matches ${pattern}`;
  };
}

function missingFrom(patterns: PatternList): Judge {
  return (text) => (patterns.match(text) === null ? "is not on the allow list" : null);
}

function judgePart(
  part: AttachmentPart,
  types: readonly string[],
  ofName: Judge,
  ofType: Judge,
): readonly Forbidden[] {
  const { path } = part;
  const names = part.fileNames.flatMap((name) => {
    const why = ofName(name);
    return why === null ? [] : [{ path, shown: name, why: `name ${name} ${why}` }];
  });
  const declared = types.flatMap((type) => {
    const why = ofType(type);
    return why === null ? [] : [{ path, shown: nameOf(part) ?? type, why: `type ${type} ${why}` }];
  });
  return [...names, ...declared];
}

/** A letter may begin with such words, or quote them; it is shown, and not opened by their program. */
const TEXT_WORDS: readonly string[] = [
  ...["dos", "hta", "html", "library-ms", "reg", "script", "search-ms", "settingcontent-ms"],
  ...["svg", "url"],
];

function ofTrueTypes(part: AttachmentPart, forbidden: ReadonlySet<string>): readonly Forbidden[] {
  return part.trueTypes
    .filter((type) => forbidden.has(type) && (isAttachment(part) || !TEXT_WORDS.includes(type)))
    .map((type) => ({
      path: part.path,
      shown: nameOf(part) ?? type,
      why: `the octets are ${type}, declared as ${part.declaredTypes[0] ?? "nothing"}`,
    }));
}

function insideOf(part: AttachmentPart, ofName: Judge): readonly Forbidden[] {
  const { archive } = part;
  if (archive === null) return [];
  const files = archive.entries.filter(({ isFolder }) => !isFolder).flatMap(({ names }) => names);
  const names = new Set([...files, ...unpackedNames(part, archive.kind)]);
  const place = nameOf(part) ?? archive.kind;
  return [...names].flatMap((name) => {
    const why = ofName(name);
    if (why === null) return [];
    return [{ path: part.path, shown: name, why: `name ${name} in ${place} ${why}` }];
  });
}

/** What `a.exe.gz` becomes: one file, which needs no name inside (RFC 1952 2.3.1). */
function unpackedNames({ fileNames }: AttachmentPart, kind: string): readonly string[] {
  if (!["gzip", "bzip2", "xz"].includes(kind)) return [];
  return fileNames.flatMap((name) => {
    const dot = name.lastIndexOf(".");
    return dot > 0 ? [name.slice(0, dot)] : [];
  });
}

/** What a person would call an attachment: everything but the text and what holds parts. */
export function isAttachment(part: AttachmentPart): boolean {
  if (part.fileNames.length > 0 || part.disposition === "attachment") return true;
  return part.declaredTypes.some((type) => !BODY_TYPES.includes(type) && !isCarrier(type));
}

const BODY_TYPES: readonly string[] = ["text/plain", "text/html"];

function isCarrier(type: string): boolean {
  return type.startsWith("multipart/") || type === "message/rfc822";
}

function nameOf(part: AttachmentPart): string | null {
  return part.fileNames[0] ?? null;
}
