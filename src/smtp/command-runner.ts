import { continueAuth } from "./auth-command.ts";
import type { CommandContext } from "./command-context.ts";
import { isForeignProtocol, isForeignStart, splitCommandLine } from "./command-line.ts";
import type { LineStep } from "./line-reader.ts";
import {
  BAD_CHARACTER,
  closing,
  FOREIGN_PROTOCOL,
  LINE_TOO_LONG,
  NOT_SMTP,
  UNKNOWN_COMMAND,
} from "./protocol-replies.ts";
import { type Answer, isKnownCommand, runCommand } from "./session-commands.ts";

/** From a line to its one reply. */
export class CommandRunner {
  readonly #context: CommandContext;
  #isFirst = true;

  constructor(context: CommandContext) {
    this.#context = context;
  }

  /**
   * Null when there is nothing to say, or the command has said it. `start` is the first octet of
   * the line when it begins with this step: a binary protocol never ends its line, so that its end
   * must not be waited for.
   */
  run(step: LineStep, start: number | undefined): Answer {
    const { exchange } = this.#context.state;
    if (exchange !== null)
      return step.kind === "partial" ? null : continueAuth(this.#context, exchange, step);
    if (start !== undefined && isForeignStart(start)) return FOREIGN_PROTOCOL;
    switch (step.kind) {
      case "partial":
        return null;
      case "too-long":
        return LINE_TOO_LONG;
      case "not-smtp":
        return NOT_SMTP;
      case "line":
        return this.#runLine(step.line);
    }
  }

  #runLine(octets: Buffer): Answer {
    const isFirst = this.#isFirst;
    this.#isFirst = false;
    const line = splitCommandLine(octets);
    // Somebody who begins with an empty line or with rubbish will not go on with mail.
    if (isFirst && (line === null || line.verb === "")) return FOREIGN_PROTOCOL;
    if (line !== null && isForeignProtocol(line.verb)) return FOREIGN_PROTOCOL;
    if (line === null) return BAD_CHARACTER;
    if (isKnownCommand(line.verb)) return runCommand(this.#context, line);
    const over = this.#context.budget.idleCommand();
    return over === null ? UNKNOWN_COMMAND : closing(this.#context.hostname, over);
  }
}
