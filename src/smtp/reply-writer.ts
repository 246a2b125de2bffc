import { formatLines } from "./protocol-replies.ts";
import { formatReply, type Reply, type ReplyCode } from "./reply.ts";
import type { SmtpMetrics } from "./smtp-metrics.ts";
import type { Wire } from "./wire.ts";

/** Writes replies to one client, and counts them. */
export class ReplyWriter {
  readonly #wire: Wire;
  readonly #metrics: Pick<SmtpMetrics, "replies">;
  readonly #listener: string;

  constructor(wire: Wire, metrics: Pick<SmtpMetrics, "replies">, listener: string) {
    this.#wire = wire;
    this.#metrics = metrics;
    this.#listener = listener;
  }

  write(reply: Reply): void {
    this.#write(reply.code, `${formatReply(reply)}\r\n`);
  }

  writeLines(code: ReplyCode, lines: readonly string[]): void {
    this.#write(code, formatLines(code, lines));
  }

  #write(code: ReplyCode, text: string): void {
    this.#wire.write(text);
    this.#metrics.replies.add({ listener: this.#listener, code: String(code) });
  }
}
