import { z } from "zod";
import type { Limits } from "./limits.ts";

type Part = "connections" | "session" | "message";

/** What one listener has instead of the general limits; what it leaves out is as in general. */
export type ListenerLimits = {
  readonly [Name in Part]?:
    | { readonly [Key in keyof Limits[Name]]?: number | undefined }
    | undefined;
};

/** The limits that hold at a listener. */
export function limitsFor(limits: Limits, listener: string): Limits {
  const own = Object.hasOwn(limits.listeners, listener) ? limits.listeners[listener] : undefined;
  return own ? merged(limits, own) : limits;
}

/** Overrides for listeners that the settings do not have: they were meant for another name. */
export function strangersAmong(limits: Limits, listeners: readonly string[]): readonly string[] {
  return Object.keys(limits.listeners).filter((name) => !listeners.includes(name));
}

type Shape = Readonly<Record<string, z.ZodDefault<z.ZodInt>>>;

/** The general shapes without their defaults: what is not written must not be overridden. */
export function listenerLimitsSchema(
  shapes: Readonly<Record<Part, Shape>>,
): z.ZodType<Limits["listeners"]> {
  const own = z.strictObject({
    connections: withoutDefaults(shapes.connections).optional(),
    session: withoutDefaults(shapes.session).optional(),
    message: withoutDefaults(shapes.message).optional(),
  });
  return z.record(z.string(), own).default({});
}

function withoutDefaults(shape: Shape) {
  return z.strictObject(
    Object.fromEntries(
      Object.entries(shape).map(([name, field]) => [name, field.unwrap().optional()]),
    ),
  );
}

/** What the general limits promise each other must also hold with what a listener has instead. */
export function checkListenerLimits(limits: Limits, context: z.RefinementCtx): void {
  for (const [name, own] of Object.entries(limits.listeners)) {
    const { connections, session } = merged(limits, own);
    const complain = (path: readonly [Part, string], message: string) =>
      context.addIssue({ code: "custom", path: ["listeners", name, ...path], message });
    if (connections.max > limits.connections.max)
      complain(["connections", "max"], "expected at most connections.max");
    if (connections.perClient > connections.max)
      complain(
        ["connections", own.connections?.perClient === undefined ? "max" : "perClient"],
        "expected connections.perClient to be at most connections.max at this listener",
      );
    if (session.errorsSoft > session.errorsHard)
      complain(
        ["session", own.session?.errorsSoft === undefined ? "errorsHard" : "errorsSoft"],
        "expected session.errorsSoft to be at most session.errorsHard at this listener",
      );
    if (session.unknownSoft > session.unknownHard)
      complain(
        ["session", own.session?.unknownSoft === undefined ? "unknownHard" : "unknownSoft"],
        "expected session.unknownSoft to be at most session.unknownHard at this listener",
      );
  }
}

function merged(limits: Limits, own: ListenerLimits): Limits {
  return {
    ...limits,
    connections: { ...limits.connections, ...written(own.connections) },
    session: { ...limits.session, ...written(own.session) },
    message: { ...limits.message, ...written(own.message) },
  };
}

function written<T extends object>(own: T | undefined): { [Key in keyof T]: NonNullable<T[Key]> } {
  const entries = Object.entries(own ?? {}).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as { [Key in keyof T]: NonNullable<T[Key]> };
}
