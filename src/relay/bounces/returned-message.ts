import { type FieldOrigin, withFieldOrigins } from "../../mail/field-origin.ts";
import { parseHeaderBlock, toNameKey } from "../../mail/header-block.ts";
import type { MessageSource } from "../../mail/message.ts";

/**
 * What we thought of a message is for the hub. A sender who read it in a bounce could try until his
 * mail is just not spam.
 */
const VERDICTS = /^x-(?:postern-(?:scl|report)|spam-.*)$/;

/**
 * A header section for its sender: without our verdicts, and with the addresses that he wrote. What
 * we wrote in their place is the inside's.
 */
export function forSender(headers: Buffer, origins: readonly FieldOrigin[] = []): Buffer {
  return withoutVerdicts(withFieldOrigins(headers, origins));
}

function withoutVerdicts(headers: Buffer): Buffer {
  const { fields } = parseHeaderBlock(headers);
  const kept = fields.filter(({ name }) => !VERDICTS.test(toNameKey(name)));
  return Buffer.concat(kept.map(({ start, end }) => headers.subarray(start, end)));
}

/** The message, beginning with these instead of its `headers`. */
export function withHeaders(
  message: MessageSource,
  headers: Buffer,
  instead: Buffer,
): MessageSource {
  return {
    size: message.size - headers.length + instead.length,
    async *read() {
      yield instead;
      let skip = headers.length;
      for await (const chunk of message.read()) {
        if (chunk.length > skip) yield chunk.subarray(skip);
        skip = Math.max(0, skip - chunk.length);
      }
    },
  };
}
