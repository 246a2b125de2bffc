import { createSystemClock } from "../../src/base/clock.ts";
import type { SmtpLimits } from "../../src/smtp/smtp-limits.ts";
import type { Dialog, DialogStep, LinePattern } from "./dialog.ts";
import { RawClient } from "./raw-client.ts";
import { createScriptedHandler, type ScriptedHandler } from "./scripted-handler.ts";
import { DEFAULT_LIMITS, type EdgeOptions, startEdge } from "./smtp-edge.ts";

/** That of test/support/smtp-edge.ts, and of the dialogs. */
const HOSTNAME = "mx.test";
const ANY_NAME = "[A-Za-z0-9.-]+";

/** Plays a dialog against a front of its own. Throws with the line that did not come true. */
export async function runDialog(dialog: Dialog): Promise<void> {
  const handler = createDialogHandler();
  const options = { limits: toLimits(dialog), ...usersOf(dialog) };
  await using edge = await startEdge(handler, options);
  const delivered = () => handler.delivered().length;
  await playDialog(dialog, await edge.open(), { delivered, hostname: HOSTNAME });
}

/** What a dialog asks of a server that only the one of `runDialog` is sure to have; "" for nothing. */
export function needsOf({ limits, needs, users }: Dialog): string {
  // Without it errors are answered late; the replies are the same.
  const special = limits.filter(([path]) => path !== "session.errorsSoft");
  const others = [...needs, ...users.map(([name]) => `user ${name}`)];
  return [...special.map(([path, value]) => `${path}=${value}`), ...others].join(", ");
}

/** Plays a dialog against any server. What only the inside knows is not checked. */
export async function runDialogAgainst(
  dialog: Dialog,
  target: { readonly host: string; readonly port: number },
): Promise<void> {
  await playDialog(dialog, await RawClient.open(target), { delivered: null, hostname: null });
}

interface KnownServer {
  /** Messages taken so far; null when nobody can tell. */
  readonly delivered: (() => number) | null;
  /** Null: any. */
  readonly hostname: string | null;
}

async function playDialog(dialog: Dialog, client: RawClient, server: KnownServer): Promise<void> {
  try {
    for (const line of dialog.lines) {
      for (const step of line.steps) {
        await play(client, step, server).catch((error: unknown) => {
          throw new Error(`line ${line.number}: ${line.text}`, { cause: error });
        });
      }
    }
  } finally {
    client.destroy();
  }
}

async function play(
  client: RawClient,
  step: DialogStep,
  { delivered, hostname }: KnownServer,
): Promise<void> {
  switch (step.kind) {
    case "send":
      return client.sendNow(step.octets);
    case "expect":
      return expectLine(await client.line(), withHostname(step.pattern, hostname));
    case "expect-last":
      return expectLastLine(client, withHostname(step.pattern, hostname));
    case "tls":
      await client.secure();
      return;
    case "closed":
      return expectNothing(await client.closed());
    case "delivered":
      if (delivered && delivered() !== step.count) throw new Error(`it is ${delivered()}`);
  }
}

/** The pattern for a server whose name nobody knows. */
function withHostname(pattern: LinePattern, hostname: string | null): LinePattern {
  if (hostname !== null) return pattern;
  if (pattern instanceof RegExp)
    return new RegExp(pattern.source.replaceAll("mx\\.test", ANY_NAME));
  // By parts: what RegExp.escape makes of a letter depends on where it stands.
  const parts = pattern.split(HOSTNAME).map((part) => RegExp.escape(part));
  return new RegExp(`^${parts.join(ANY_NAME)}`);
}

function expectLine(line: string, pattern: LinePattern): void {
  const fits = typeof pattern === "string" ? line.startsWith(pattern) : pattern.test(line);
  if (!fits) throw new Error(`the server said: ${line}`);
}

async function expectLastLine(client: RawClient, pattern: LinePattern): Promise<void> {
  for (;;) {
    const line = await client.line();
    if (!/^\d{3}-/.test(line)) return expectLine(line, pattern);
  }
}

function expectNothing(rest: string): void {
  if (rest !== "") throw new Error(`the server also said: ${rest}`);
}

/** Knows example.org; some local parts make it misbehave. */
function createDialogHandler(): ScriptedHandler {
  return createScriptedHandler({
    offers: { dsn: true },
    async mail(sender) {
      if (sender?.localPart === "bug") throw new Error("a handler that fails");
      if (sender?.localPart !== "blocked") return null;
      return { code: 550, status: "7.1", text: "Sender blocked (ref TEST)" };
    },
    async rcpt({ address }) {
      const known = address.domain === "example.org" || address.domain === "";
      if (!known) return { code: 550, status: "7.1", text: "Relaying denied (ref TEST)" };
      if (address.localPart === "unknown") {
        return { code: 550, status: "1.1", text: "No such user (ref TEST)" };
      }
      if (address.localPart === "later") return { code: 450, status: "7.1", text: "Later" };
      return { code: 250, status: "1.5", text: "Recipient OK" };
    },
  });
}

/** A dialog about passwords waits for the tarpit, and must not wait long. */
const HURRY = 25;

function usersOf({ users }: Dialog): Partial<EdgeOptions> {
  if (users.length === 0) return {};
  const system = createSystemClock();
  const passwords = new Map(users);
  return {
    kind: "hub",
    clock: { ...system, after: (ms, fn) => system.after(ms / HURRY, fn) },
    listenerRules: { logon: "permission" },
    authenticator: {
      async logOn({ name, password }) {
        const isRight = passwords.get(name) === password;
        return isRight ? { kind: "accepted", user: name } : { kind: "refused" };
      },
    },
  };
}

function toLimits(dialog: Dialog): NonNullable<EdgeOptions["limits"]> {
  const limits = structuredClone(DEFAULT_LIMITS) as Record<keyof SmtpLimits, object>;
  for (const [path, value] of dialog.limits) {
    const [part, name] = path.split(".");
    const group = limits[part as keyof SmtpLimits];
    if (!group || !((name as string) in group)) throw new Error(`no such limit: ${path}`);
    Reflect.set(group, name as string, value);
  }
  return limits;
}
