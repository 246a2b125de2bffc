import { createHash } from "node:crypto";
import { createLookupScope } from "../../net/resolver.ts";
import type { Connector, Smarthost } from "../../policy/snapshot.ts";
import { formatRemoteReply } from "../../smtp/client-reply.ts";
import type { TlsDemand } from "../../smtp/remote-tls.ts";
import type {
  ConnectFailure,
  ConnectHow,
  RemoteReply,
  SmtpTarget,
} from "../../smtp/smtp-client.ts";
import type { MxQuestion, MxSession, TlsPolicy, TlsRuling } from "../tls/tls-policy.ts";
import { connectorDemand } from "./connector-demand.ts";
import type { Destination } from "./destination.ts";
import { findMxHosts, type MxHost, type MxOptions } from "./mx-hosts.ts";
import { shuffleWithinRanks } from "./shuffle.ts";

/** A server to try, and how to meet it. */
export interface Candidate {
  readonly connector: Connector;
  /** host:port, for people. */
  readonly hub: string;
  readonly target: SmtpTarget;
  readonly how: ConnectHow;
  /** What all connectors mean by this server: if it is dead, it is so for all of them. */
  readonly serverKey: string;
  /** Server and `how`: who may share a connection. A hash, because a password is in it. */
  readonly poolKey: string;
  /** What may be offered to clients is known of smarthosts only. */
  readonly isSmarthost: boolean;
  readonly tlsPolicy?: string;
  /** Told of each new connection. */
  readonly onSession?: (session: MxSession) => void;
}

export type Step =
  | ({ readonly kind: "candidate" } & Candidate)
  /** Not now: what the policy wants of this server could not be had. */
  | { readonly kind: "skipped"; readonly hub: string; readonly reason: string }
  /** No server can be found for now. */
  | { readonly kind: "later"; readonly reason: string }
  /** Nobody can ever take this mail. */
  | { readonly kind: "refused"; readonly reply: RemoteReply };

export interface CandidatesOptions extends MxOptions {
  readonly tlsPolicy: TlsPolicy;
}

/**
 * With several servers to choose from none needs longer: the 30 s for a connection (behaviour.md)
 * are for the only one there is.
 */
const MX_CONNECT_MS = 10_000;

/** The servers of a destination, in the order in which to try them; looked up as they are needed. */
export function createCandidates(
  options: CandidatesOptions,
): (destination: Destination, signal: AbortSignal) => AsyncIterable<Step> | Iterable<Step> {
  // A connector is a value of one policy: it never changes, and goes with its policy.
  const known = new WeakMap<Connector, ReadonlyMap<Smarthost, Candidate>>();
  const smarthostsOf = (connector: Connector, hosts: readonly Smarthost[]) => {
    const made = known.get(connector) ?? toSmarthosts(connector, hosts);
    known.set(connector, made);
    return made;
  };
  const stepsVia: StepsVia = (connector, destination, signal) => {
    const { to } = connector;
    if (to.kind === "mx") return mxSteps(options, connector, destination, to.port, signal);
    const made = smarthostsOf(connector, to.hosts);
    const { random } = options;
    const ordered = shuffleWithinRanks(to.hosts, rankOf, random, ({ weight }) => weight);
    return ordered.flatMap((host): readonly Step[] => {
      const candidate = made.get(host);
      return candidate ? [{ kind: "candidate", ...candidate }] : [];
    });
  };
  return (destination, signal) => {
    const { connector, backups } = destination;
    if (backups.length === 0) return stepsVia(connector, destination, signal);
    return everyWay(stepsVia, destination, signal);
  };
}

type StepsVia = (
  connector: Connector,
  destination: Destination,
  signal: AbortSignal,
) => AsyncIterable<Step> | Iterable<Step>;

/** Only the connector that the mail is for may say that nobody can ever take it. */
async function* everyWay(
  stepsVia: StepsVia,
  destination: Destination,
  signal: AbortSignal,
): AsyncGenerator<Step> {
  const { connector, backups } = destination;
  yield* stepsVia(connector, destination, signal);
  for (const backup of backups) {
    for await (const step of stepsVia(backup, destination, signal)) {
      if (step.kind !== "refused") yield step;
      else yield { kind: "later", reason: `${backup.name}: ${formatRemoteReply(step.reply)}` };
    }
  }
}

function rankOf({ priority }: Smarthost): number {
  return priority;
}

function toSmarthosts(
  connector: Connector,
  hosts: readonly Smarthost[],
): ReadonlyMap<Smarthost, Candidate> {
  const candidates = hosts.map((one): readonly [Smarthost, Candidate] => {
    const target = { host: one.host, port: one.port };
    const how = toHow(connector, connectorDemand(connector, one.host));
    const hub = toHubName(one.host, one.port);
    const poolKey = toPoolKey(connector, target, how);
    return [one, { connector, hub, target, how, serverKey: hub, poolKey, isSmarthost: true }];
  });
  return new Map(candidates);
}

async function* mxSteps(
  options: CandidatesOptions,
  connector: Connector,
  { domain, ignoresTlsPolicies: ignoresPolicies = false }: Destination,
  port: number,
  signal: AbortSignal,
): AsyncGenerator<Step> {
  const scope = createLookupScope(signal);
  const found = await findMxHosts(options, domain, familiesOf(connector), scope);
  if (found.kind !== "found") {
    yield found;
    return;
  }
  for (const host of found.hosts) {
    const { hasMx } = found;
    const question = { connector, domain, host: host.host, port, hasMx, ignoresPolicies, scope };
    const ruling = await options.tlsPolicy.rule(question);
    yield* stepsTo(options, host, question, ruling);
  }
}

function* stepsTo(
  { tlsPolicy }: CandidatesOptions,
  { host, addresses }: MxHost,
  question: MxQuestion,
  ruling: TlsRuling,
): Generator<Step> {
  const { connector, port } = question;
  const hub = toHubName(host, port);
  if (ruling.kind === "skip") {
    yield { kind: "skipped", hub, reason: ruling.reason };
    return;
  }
  const { demand, policy } = ruling;
  const how = { ...toHow(connector, demand), connectMs: MX_CONNECT_MS };
  for (const address of addresses) {
    const target = { host, port, address };
    yield {
      kind: "candidate",
      connector,
      hub,
      target,
      how,
      serverKey: toHubName(address, port),
      poolKey: toPoolKey(connector, target, how),
      isSmarthost: false,
      ...(policy !== undefined && { tlsPolicy: policy }),
      onSession: (session) => tlsPolicy.ended(question, ruling, session),
    };
  }
}

/** Every MX host is met as its connector says. */
export const CONNECTOR_TLS: TlsPolicy = {
  rule: async ({ connector, host }: MxQuestion) => ({
    kind: "demand",
    demand: connectorDemand(connector, host),
  }),
  ended() {},
};

function toHow(connector: Connector, tls: TlsDemand): ConnectHow {
  const { ehlo, sourceAddresses, auth } = connector;
  const { identity } = connector.tls;
  return {
    tls,
    ...(identity && { identity: { cert: identity.cert.text, key: identity.key.text } }),
    ...(ehlo !== null && { ehlo }),
    ...(sourceAddresses.length > 0 && { localAddresses: sourceAddresses }),
    ...(auth && { auth: { user: auth.user, password: auth.password.text } }),
  };
}

function toPoolKey(
  { messagesPerConnection }: Connector,
  target: SmtpTarget,
  how: ConnectHow,
): string {
  const text = JSON.stringify([target, how, messagesPerConnection]);
  return createHash("sha256").update(text).digest("base64");
}

function familiesOf({ sourceAddresses }: Connector): readonly (4 | 6)[] {
  if (sourceAddresses.length === 0) return [4, 6];
  return sourceAddresses.map((address) => (address.includes(":") ? 6 : 4));
}

/** TLS that did not do is a riddle without the policy that wanted it. */
export function toFailureReason(
  { tlsPolicy }: Candidate,
  { reason, tlsFault }: ConnectFailure,
): string {
  return tlsPolicy === undefined || !tlsFault ? reason : `${reason} (${tlsPolicy})`;
}

/** Null stands for the servers of the internet, which nobody can name. */
export function hubNamesOf({ to }: Connector): readonly (string | null)[] {
  if (to.kind === "mx") return [null];
  return to.hosts.map(({ host, port }) => toHubName(host, port));
}

/** `host:port`, an IPv6 address in brackets. */
function toHubName(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
