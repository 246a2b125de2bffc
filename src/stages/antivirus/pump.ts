import type { ScanResult, ScanStream } from "./scanner.ts";

/** Sends a whole source down one stream; stops reading once the outcome is settled. */
export async function pump(
  source: { read(): AsyncIterable<Buffer> },
  stream: ScanStream,
): Promise<ScanResult> {
  for await (const chunk of source.read()) {
    if (stream.settled()) break;
    await stream.write(chunk);
  }
  return stream.end();
}
