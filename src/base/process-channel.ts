import type { Socket } from "node:net";
import { type Clock, startDeadline } from "./clock.ts";
import { errorText, PolicyError, type Problem, Unavailable } from "./errors.ts";

/** One end of the pipe between a process and its child: `process`, or what fork returned. */
export interface ProcessPort {
  /** Throws, or calls nobody, when the other side is gone. */
  send(message: unknown, socket?: Socket): void;
  onMessage(listener: (message: unknown, socket: Socket | undefined) => void): void;
  onClose(listener: () => void): void;
}

/** What one side may be asked: input and result must survive structured cloning. */
export type Operations = Readonly<Record<string, (input: never) => unknown>>;

/**
 * Questions and answers between two processes of one gateway, many at once, in both directions.
 * The other side is ours, so messages are not checked; but it may die or hang at any time.
 */
export interface ProcessChannel<Theirs extends Operations> {
  /**
   * Throws what the other side threw when it is Unavailable or PolicyError, Unavailable(name) when it
   * is gone or silent for `limitMs`, and an Error with the text of anything else.
   */
  call<Name extends keyof Theirs & string>(
    operation: Name,
    input: Parameters<Theirs[Name]>[0],
    limitMs?: number,
  ): Promise<Awaited<ReturnType<Theirs[Name]>>>;
  /** Without an answer. Nothing happens when the other side is gone. */
  tell<Name extends keyof Theirs & string>(
    operation: Name,
    input: Parameters<Theirs[Name]>[0],
  ): void;
  /**
   * Gives the other side a copy of a socket; ours stays open, for the case that that side dies before
   * it has it. Throws when it is known to be gone.
   */
  hand(about: unknown, socket: Socket): void;
}

export interface ProcessChannelOptions {
  /** Who is on the other side, in the operator's word, for Unavailable. */
  readonly name: string;
  readonly port: ProcessPort;
  readonly clock: Clock;
  readonly operations: Operations;
  /** Takes what the other side hands over; undefined: the client was gone before it came. */
  readonly onHanded?: (about: unknown, socket: Socket | undefined) => void;
  readonly onClose?: () => void;
}

/** A disk may take its time; after this the other side is taken for dead. */
const CALL_LIMIT_MS = 30_000;

type Message =
  | { readonly call: number; readonly operation: string; readonly input: unknown }
  | { readonly tell: string; readonly input: unknown }
  | { readonly hand: unknown }
  | { readonly answer: number; readonly result: unknown }
  | { readonly answer: number; readonly failure: Failure };

type Failure =
  | { readonly kind: "unavailable"; readonly dependency: string; readonly reason: string }
  | { readonly kind: "policy"; readonly problems: readonly Problem[] }
  | { readonly kind: "error"; readonly text: string };

interface Waiting {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
}

export function createProcessChannel<Theirs extends Operations>(
  options: ProcessChannelOptions,
): ProcessChannel<Theirs> {
  return new Channel<Theirs>(options);
}

class Channel<Theirs extends Operations> implements ProcessChannel<Theirs> {
  readonly #options: ProcessChannelOptions;
  readonly #waiting = new Map<number, Waiting>();
  #nextCall = 1;
  #closed = false;

  constructor(options: ProcessChannelOptions) {
    this.#options = options;
    options.port.onMessage((message, socket) => this.#receive(message as Message, socket));
    options.port.onClose(() => this.#end());
  }

  async call<Name extends keyof Theirs & string>(
    operation: Name,
    input: Parameters<Theirs[Name]>[0],
    limitMs: number = CALL_LIMIT_MS,
  ): Promise<Awaited<ReturnType<Theirs[Name]>>> {
    const { name, clock } = this.#options;
    const call = this.#nextCall++;
    const deadline = startDeadline(clock, limitMs);
    try {
      return await new Promise<never>((resolve, reject) => {
        this.#waiting.set(call, { resolve: resolve as (result: unknown) => void, reject });
        const late = new Unavailable(name, `no answer to ${operation} within ${limitMs} ms`);
        deadline.signal.addEventListener("abort", () => reject(late), { once: true });
        this.#send({ call, operation, input });
      });
    } finally {
      deadline.clear();
      this.#waiting.delete(call);
    }
  }

  tell<Name extends keyof Theirs & string>(
    operation: Name,
    input: Parameters<Theirs[Name]>[0],
  ): void {
    if (!this.#closed) this.#send({ tell: operation, input });
  }

  hand(about: unknown, socket: Socket): void {
    this.#send({ hand: about }, socket);
  }

  #send(message: Message, socket?: Socket): void {
    const { name, port } = this.#options;
    if (this.#closed) throw new Unavailable(name, "its process has ended");
    port.send(message, socket);
  }

  #receive(message: Message, socket: Socket | undefined): void {
    const { operations, onHanded } = this.#options;
    if ("hand" in message) onHanded?.(message.hand, socket);
    else if ("tell" in message) void perform(operations, message.tell, message.input);
    else if ("call" in message) void this.#answer(message.call, message.operation, message.input);
    else if ("failure" in message)
      this.#waiting.get(message.answer)?.reject(toError(message.failure));
    else this.#waiting.get(message.answer)?.resolve(message.result);
  }

  async #answer(call: number, operation: string, input: unknown): Promise<void> {
    const outcome = await perform(this.#options.operations, operation, input);
    try {
      this.#send({ answer: call, ...outcome });
    } catch {
      // Nobody is there to hear it.
    }
  }

  #end(): void {
    const { name, onClose } = this.#options;
    this.#closed = true;
    const gone = new Unavailable(name, "its process has ended");
    for (const { reject } of this.#waiting.values()) reject(gone);
    onClose?.();
  }
}

async function perform(
  operations: Operations,
  name: string,
  input: unknown,
): Promise<{ readonly result: unknown } | { readonly failure: Failure }> {
  try {
    const operation = Object.hasOwn(operations, name) ? operations[name] : undefined;
    if (!operation) throw new Error(`no operation ${name}`);
    return { result: await operation(input as never) };
  } catch (error) {
    return { failure: toFailure(error) };
  }
}

function toFailure(error: unknown): Failure {
  if (error instanceof PolicyError) return { kind: "policy", problems: error.problems };
  if (!(error instanceof Unavailable)) return { kind: "error", text: errorText(error) };
  const { dependency, message } = error;
  return { kind: "unavailable", dependency, reason: message.slice(dependency.length + 2) };
}

function toError(failure: Failure): Error {
  if (failure.kind === "policy") return new PolicyError(failure.problems);
  if (failure.kind === "error") return new Error(failure.text);
  return new Unavailable(failure.dependency, failure.reason);
}
