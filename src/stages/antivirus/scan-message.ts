import type { MessageSource } from "../../mail/message.ts";
import type { MimePart, MimeVisitor } from "../../mail/mime-part.ts";
import { createMimeWalker } from "../../mail/mime-walker.ts";
import { classifyDetection } from "./detection-class.ts";
import { pump } from "./pump.ts";
import { CLEAN, notScanned, type OpenScan, type ScanResult, type ScanStream } from "./scanner.ts";

/** What the scanner said of one decoded part. */
export type PartScan = {
  readonly path: string;
  /** Why it was scanned by itself. */
  readonly why: PartReason;
  readonly octets: number;
  readonly result: ScanResult;
};

export type PartReason = "encoded" | "not-plain-text" | "named" | "ambiguous";

/** What the scanner said of one message. */
export type MessageScan = {
  /** The worst for the purpose of trying again: not scanned, then infected, then clean. */
  readonly result: ScanResult;
  readonly raw: ScanResult;
  /** In document order, up to the first malware; null when parts were not to be scanned. */
  readonly parts: readonly PartScan[] | null;
  /** Limits that kept the walker from reading the MIME tree to its end. */
  readonly limits: readonly string[];
};

export interface ScanMessageOptions {
  readonly scanParts: boolean;
  readonly maxBytes: number;
}

/**
 * Scans the raw octets, then each decoded part in a stream of its own, so that what clamd's MIME
 * parser misses or reads in another way is still seen (threats.md C1). Malware and a view that could
 * not be scanned end it early. Nothing is buffered: parts stream while the message is read.
 */
export async function scanMessage(
  message: MessageSource,
  open: OpenScan,
  options: ScanMessageOptions,
): Promise<MessageScan> {
  const raw =
    message.size > options.maxBytes
      ? notScanned("too-big", `${message.size} octets are over the limit of ${options.maxBytes}`)
      : await pump(message, open());
  if (!options.scanParts) return { result: raw, raw, parts: null, limits: [] };
  if (isFinal(raw)) return { result: raw, raw, parts: [], limits: [] };
  const { parts, limits } = await scanParts(message, open);
  return { result: worst([raw, ...parts.map((part) => part.result)]), raw, parts, limits };
}

async function scanParts(
  message: MessageSource,
  open: OpenScan,
): Promise<{ parts: readonly PartScan[]; limits: readonly string[] }> {
  const scans = createPartScans(open);
  const walker = createMimeWalker(scans.visitor);
  for await (const chunk of message.read()) {
    if (scans.final()) return { parts: scans.parts, limits: [] };
    await walker.write(chunk);
  }
  const { notes } = await walker.end();
  return { parts: scans.parts, limits: notes.filter((note) => note.startsWith("limit-")) };
}

/** A stream is opened at a part's first octet: an empty part costs nothing. */
function createPartScans(open: OpenScan) {
  const parts: PartScan[] = [];
  const streams = new Map<string, { readonly why: PartReason; readonly stream: ScanStream }>();
  const final = () => parts.some((part) => isFinal(part.result));

  const visitor: MimeVisitor = {
    async body(part, chunk) {
      const why = whyScan(part);
      if (why === null || chunk.length === 0 || final()) return;
      const known = streams.get(part.path) ?? { why, stream: open() };
      streams.set(part.path, known);
      await known.stream.write(chunk);
    },
    async close(part) {
      const scan = streams.get(part.path);
      if (!scan) return;
      streams.delete(part.path);
      const result = await scan.stream.end();
      parts.push({ path: part.path, why: scan.why, octets: part.decodedBytes, result });
    },
  };
  return { visitor, parts, final };
}

const IDENTITY: readonly string[] = ["7bit", "8bit", "binary"];

/**
 * Plain text that needs no decoding stands in the raw octets as it is and was scanned there. All
 * else is scanned by itself: clamd may not find it in the raw message, or type it by its place.
 */
function whyScan(part: MimePart): PartReason | null {
  if (part.encodings.some((encoding) => !IDENTITY.includes(encoding))) return "encoded";
  if (part.fileNames.length > 0) return "named";
  if (part.declaredTypes.some((type) => type !== "text/plain")) return "not-plain-text";
  return part.notes.length > 0 ? "ambiguous" : null;
}

function isFinal(result: ScanResult): boolean {
  if (result.kind === "not-scanned") return true;
  return result.kind === "infected" && classifyDetection(result.name) === "malware";
}

function worst(results: readonly ScanResult[]): ScanResult {
  const by = (kind: ScanResult["kind"]) => results.find((result) => result.kind === kind);
  return by("not-scanned") ?? by("infected") ?? CLEAN;
}
