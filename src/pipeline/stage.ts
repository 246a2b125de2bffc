import type { z } from "zod";
import type { Json } from "../base/json.ts";
import type { Address } from "../mail/address.ts";
import type { MailParameters } from "../mail/envelope.ts";
import type { Message } from "../mail/message.ts";
import type { LookupScope } from "../net/resolver.ts";
import type { RelayPermission } from "../smtp/relay-permission.ts";
import type { ListenerFacts, TlsFacts } from "../smtp/session-handler.ts";
import type { Decision } from "./decision.ts";
import type { FailureMode, Phase, StageReport } from "./report.ts";
import type { Finding, Verdict } from "./verdict.ts";

/** Plain JSON that is known at each phase. `judge` gets it, and it is stored for replay. */
export interface ConnectFacts {
  readonly client: { readonly ip: string; readonly port: number };
  readonly listener: ListenerFacts;
  /** Milliseconds since the epoch at the connection. The only clock a judge knows. */
  readonly receivedAt: number;
  /** Random text, the same at every replay. */
  readonly seed: string;
  /** Reports of the steps that are finished, in plan order. */
  readonly reports: readonly StageReport[];
}

export interface HeloPhaseFacts extends ConnectFacts {
  readonly helo: { readonly verb: "HELO" | "EHLO"; readonly name: string };
  readonly tls: TlsFacts | null;
  /** Null: mail for our own domains only. */
  readonly relay: RelayPermission | null;
}

export interface MailFacts extends HeloPhaseFacts {
  readonly sender: Address | null;
  readonly mail: MailParameters;
}

export interface RcptFacts extends MailFacts {
  readonly recipient: Address;
}

export interface DataFacts extends MailFacts {
  readonly recipients: readonly Address[];
}

export interface Facts {
  readonly connect: ConnectFacts;
  readonly helo: HeloPhaseFacts;
  readonly mail: MailFacts;
  readonly rcpt: RcptFacts;
  readonly data: DataFacts;
}

/** What only `observe` may touch: the outside world. */
export interface Reach {
  readonly dns: LookupScope;
}

export interface Views {
  readonly connect: ConnectFacts & Reach;
  readonly helo: HeloPhaseFacts & Reach;
  readonly mail: MailFacts & Reach;
  readonly rcpt: RcptFacts & Reach;
  readonly data: DataFacts & Reach & { readonly message: Message };
}

/** Sees the message while it streams in. Exactly one of `end` and `abort` is called. */
export interface Tap<Evidence> {
  write(chunk: Buffer): Promise<void>;
  end(): Promise<Evidence>;
  abort(): void;
}

/**
 * One check. `observe` (or `tap`) does the I/O and returns plain JSON; `judge` is pure: no clock,
 * no I/O, no randomness, the same verdict for the same evidence for ever. Side effects that depend
 * on the outcome happen in `commit`, which judge FILE, shadow and replay never call.
 */
export interface StageDefinition<P extends Phase, Options, Evidence extends Json, Services> {
  readonly name: string;
  readonly phase: P;
  readonly timeoutMs: number;
  readonly onFailure: FailureMode;
  /** A spam stage, see StageReport. False for antivirus, attachments, domains. */
  readonly trustable: boolean;
  /** It may return `trust`. */
  readonly canTrust?: boolean;
  /**
   * Whose mail it is about: the pipeline of the others leaves it out unless told. Absent: both.
   * One that is about ours has nothing to say to strangers and cannot be placed for them.
   */
  readonly concerns?: "strangers" | "ours";
  /**
   * Whom it judges when a trusted relay brings mail of somebody else. `origin`: who gave it to the
   * relay, at the final dot. `peer`: who connects, so it has nothing to say then. Absent: neither.
   */
  readonly judges?: "origin" | "peer";
  /** It keeps its effect in `mode: observe` and `mode: monitor`: without it we are an open relay. */
  readonly essential?: boolean;
  /** Stages of the same phase that build on its edits or its report: they stand in a later step. */
  readonly precedes?: readonly string[];
  /** The policy file, without .yaml, that holds the options, and the top key in it if not all. */
  readonly file: string;
  readonly section?: string;
  readonly options: z.ZodType<Options>;
  /** What a schema cannot see: names of other stages. */
  check?(options: Options, company: Company): readonly OptionFault[];
  observe?(
    view: Views[P],
    options: Options,
    services: Services,
    signal: AbortSignal,
    house: House,
  ): Promise<Evidence>;
  /** Data phase only, instead of observe. */
  tap?(
    view: DataFacts & Reach,
    options: Options,
    services: Services,
    signal: AbortSignal,
  ): Tap<Evidence>;
  judge(evidence: Evidence, options: Options, facts: Facts[P], house: House): Verdict;
  commit?(
    decision: Decision,
    evidence: Evidence,
    options: Options,
    services: Services,
    facts: Facts[P],
  ): Promise<void>;
}

/** A mistake in options, at its place in them. */
export interface OptionFault {
  readonly path: readonly (string | number)[];
  readonly message: string;
}

/** Every stage there is, by its name. */
export type Company = ReadonlyMap<
  string,
  { readonly trustable: boolean; readonly isPlaced: boolean }
>;

/** What a stage may know of the policy beside its own options. */
export interface House {
  /** We accept mail for the domain. */
  isOurs(domain: string): boolean;
  /** That of policy, when it has one for the symbol. */
  scoreOf(finding: Finding): number;
}

/** How pipeline.yaml places a stage. Absent fields are the definition's. */
export interface Placement {
  readonly mode: "enforce" | "observe";
  readonly onFailure?: FailureMode;
  readonly timeoutMs?: number;
  /** Absent: no domain is. */
  readonly isOurs?: House["isOurs"];
  /** Absent: each finding's own. */
  readonly scoreOf?: House["scoreOf"];
}

/** A stage with its options inside: what a plan is made of. The types of both are closed over. */
export interface BoundStage<P extends Phase, Services> {
  readonly name: string;
  readonly phase: P;
  readonly timeoutMs: number;
  readonly onFailure: FailureMode;
  readonly mode: "enforce" | "observe";
  readonly trustable: boolean;
  readonly canTrust: boolean;
  readonly essential: boolean;
  readonly judges: "origin" | "peer" | null;
  readonly observe:
    | ((view: Views[P], services: Services, signal: AbortSignal) => Promise<Json>)
    | null;
  readonly tap:
    | ((view: DataFacts & Reach, services: Services, signal: AbortSignal) => Tap<Json>)
    | null;
  judge(evidence: Json, facts: Facts[P]): Verdict;
  commit(decision: Decision, evidence: Json, services: Services, facts: Facts[P]): Promise<void>;
}

/** A stage as the catalog lists it. */
export interface Stage<P extends Phase, Services> {
  readonly name: string;
  readonly phase: P;
  readonly file: string;
  readonly section: string | null;
  readonly precedes: readonly string[];
  readonly concerns: "strangers" | "ours" | null;
  readonly trustable: boolean;
  readonly options: z.ZodType;
  /** `options` must be what the schema returned. */
  check(options: unknown, company: Company): readonly OptionFault[];
  /** `options` must be what the schema returned. */
  bind(options: unknown, placement: Placement): BoundStage<P, Services>;
}

export type AnyStage<Services> = { [P in Phase]: Stage<P, Services> }[Phase];

/**
 * Closes a definition over its option and evidence types. The two casts are sound because the
 * loader passes what this stage's schema returned, and evidence is what this stage observed.
 */
export function defineStage<P extends Phase, Options, Evidence extends Json, Services>(
  definition: StageDefinition<P, Options, Evidence, Services>,
): Stage<P, Services> {
  const { name, phase, observe, tap } = definition;
  return {
    name,
    phase,
    file: definition.file,
    section: definition.section ?? null,
    precedes: definition.precedes ?? [],
    concerns: definition.concerns ?? null,
    trustable: definition.trustable,
    options: definition.options,
    check: (options, company) => definition.check?.(options as Options, company) ?? [],
    bind(bound, placement) {
      const options = bound as Options;
      const essential = definition.essential ?? false;
      const house: House = {
        isOurs: placement.isOurs ?? (() => false),
        scoreOf: placement.scoreOf ?? (({ score }) => score),
      };
      return {
        name,
        phase,
        timeoutMs: placement.timeoutMs ?? definition.timeoutMs,
        onFailure: placement.onFailure ?? definition.onFailure,
        mode: essential ? "enforce" : placement.mode,
        trustable: definition.trustable,
        canTrust: definition.canTrust ?? false,
        essential,
        judges: definition.judges ?? null,
        observe: observe
          ? (view, services, signal) => observe(view, options, services, signal, house)
          : null,
        tap: tap ? (view, services, signal) => tap(view, options, services, signal) : null,
        judge: (evidence, facts) => definition.judge(evidence as Evidence, options, facts, house),
        commit: async (decision, evidence, services, facts) =>
          definition.commit?.(decision, evidence as Evidence, options, services, facts),
      };
    },
  };
}
