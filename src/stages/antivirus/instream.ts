import { Unavailable } from "../../base/errors.ts";
import { type ClamdEndpoint, type NoReply, openClamd } from "./clamd-exchange.ts";
import { parseScanReply } from "./clamd-reply.ts";
import { followAbort } from "./follow-abort.ts";
import { notScanned, type ScanResult, type ScanStream } from "./scanner.ts";

/** Each chunk goes with its length in front, and clamd takes it whole into memory. */
const MAX_CHUNK_BYTES = 64 * 1024;
const COMMAND = Buffer.from("zINSTREAM\0");
const END = Buffer.alloc(4);

/**
 * One INSTREAM conversation (clamd(8)) on a connection of its own. A chunk of no octets would tell
 * clamd that the stream is over and hide what follows, so it is never sent before `end`.
 * `onTrouble` hears of a connection that ended without a reply and not by our signal: the daemon
 * may be gone.
 */
export function openInstream(
  endpoint: ClamdEndpoint,
  signal: AbortSignal,
  onTrouble: (failure: NoReply) => void,
): ScanStream {
  const own = new AbortController();
  const unfollow = followAbort(signal, own);
  const connection = openClamd(endpoint, own.signal);
  let ended = false;
  const started = connection.write(COMMAND);
  const outcome = connection.exchange.then((exchange) => {
    unfollow();
    if (exchange.kind === "reply") return trustReply(exchange.text, ended);
    if (exchange.kind !== "aborted") onTrouble(exchange);
    return toNotScanned(exchange, own.signal);
  });
  return {
    settled: () => connection.over(),
    async write(chunk) {
      await started;
      for (let at = 0; at < chunk.length && !connection.over(); at += MAX_CHUNK_BYTES)
        await connection.write(frame(chunk.subarray(at, at + MAX_CHUNK_BYTES)));
    },
    async end() {
      await started;
      if (!connection.over()) {
        ended = true;
        await connection.write(END);
      }
      return outcome;
    },
    abort: () => own.abort(new Error("given up")),
  };
}

/** A verdict that came before our end cannot be about the whole stream. An error can. */
function trustReply(text: string, ended: boolean): ScanResult {
  const result = parseScanReply(text);
  if (ended || result.kind === "not-scanned") return result;
  return notScanned("error", "clamd answered before the end of the stream");
}

function toNotScanned({ kind, reason }: NoReply, signal: AbortSignal): ScanResult {
  if (kind === "refused") return notScanned("down", reason);
  if (kind === "overflow") return notScanned("busy", reason);
  if (kind === "broken") return notScanned("error", reason);
  return notScanned(signal.reason instanceof Unavailable ? "down" : "timeout", reason);
}

function frame(octets: Buffer): Buffer {
  const framed = Buffer.allocUnsafe(4 + octets.length);
  framed.writeUInt32BE(octets.length, 0);
  octets.copy(framed, 4);
  return framed;
}
