import type { Clock } from "../base/clock.ts";
import { errorText } from "../base/errors.ts";
import { type ReadAnswer, readAnswer } from "./dns-answer.ts";
import { createDnsCache } from "./dns-cache.ts";
import { type ExchangeOptions, exchange } from "./dns-exchange.ts";
import type { DnsQuestion } from "./dns-message.ts";
import { toQueryName } from "./dns-name.ts";
import { type DnsServerAddress, parseDnsServer, systemDnsServers } from "./dns-server-address.ts";
import { createQuerySlots } from "./query-slots.ts";
import type {
  Lookup,
  LookupOptions,
  LookupScope,
  RecordData,
  RecordType,
  Resolver,
} from "./resolver.ts";
import { createSharedQueries } from "./shared-queries.ts";
import { createStaticHosts, type StaticHostTable } from "./static-hosts.ts";

export interface DnsResolverOptions {
  readonly clock: Clock;
  /** `127.0.0.1:53`, `[::1]:53`; default: those of the system. */
  readonly servers?: readonly string[];
  /** Of one attempt; a query has two. */
  readonly timeoutMs?: number;
  readonly hosts?: StaticHostTable;
  /**
   * The servers validate with DNSSEC, and nobody can change what they say on its way to us. Default:
   * no, and then no answer is secure.
   */
  readonly validates?: boolean;
  readonly maxActive?: number;
  readonly maxWaiting?: number;
}

/** behaviour.md section 5: "one query: 2 s twice". */
const DEFAULT_TIMEOUT_MS = 2000;
/** Each query under way holds a socket. */
const DEFAULT_MAX_ACTIVE = 256;
/** Beyond this a query fails at once: a queue that only grows helps nobody when DNS is slow. */
const DEFAULT_MAX_WAITING = 2000;

/** @throws Error for a server or a static host that is no address; settings check them before. */
export function createDnsResolver(options: DnsResolverOptions): Resolver {
  const hosts = createStaticHosts(options.hosts ?? {});
  const cache = createDnsCache(options.clock);
  const shared = createSharedQueries();
  const network = createNetwork(options);
  let closed = false;

  const find = async (question: DnsQuestion, scope: LookupScope, fresh: boolean) => {
    const known = hosts.find(question.name, question.type);
    if (known) return known;
    const key = `${question.type} ${question.name}`;
    const cached = fresh ? null : cache.get(key);
    if (cached) return cached;
    if (closed) return temporary("the resolver is closed");
    if (scope.signal.aborted) return temporary(errorText(scope.signal.reason));
    if (!shared.isRunning(key) && !scope.spend()) return EXHAUSTED;
    const start = async (signal: AbortSignal) => {
      const answer = await network.ask(question, signal);
      cache.put(key, answer);
      return answer.lookup;
    };
    return shared.share(key, start, scope.signal);
  };

  return {
    async lookup<T extends RecordType>(
      name: string,
      type: T,
      scope: LookupScope,
      lookup: LookupOptions = {},
    ) {
      const asked = toQueryName(name, lookup.names);
      if (asked.kind === "refused") return asked;
      const found = await find({ name: asked.name, type }, scope, lookup.fresh ?? false);
      // Sound: an answer is kept under the type that was asked, and read as that type.
      return found as Lookup<RecordData[T]>;
    },
    networkQueries: () => network.sent(),
    close() {
      closed = true;
      shared.abortAll("the resolver is closed");
    },
  };
}

interface Network {
  /** Never throws: whatever goes wrong is a temporary answer. */
  ask(question: DnsQuestion, signal: AbortSignal): Promise<ReadAnswer<unknown>>;
  sent(): number;
}

function createNetwork(options: DnsResolverOptions): Network {
  const { maxActive = DEFAULT_MAX_ACTIVE, maxWaiting = DEFAULT_MAX_WAITING } = options;
  const slots = createQuerySlots(maxActive, maxWaiting);
  let sent = 0;
  const how: ExchangeOptions = {
    servers: serversOf(options),
    timeoutMs: options.timeoutMs ?? DEFAULT_TIMEOUT_MS,
    clock: options.clock,
    validates: options.validates ?? false,
    onSend: () => {
      sent += 1;
    },
  };
  return {
    async ask(question, signal) {
      const release = await slots.take(signal);
      if (!release) return failed(signal.aborted ? errorText(signal.reason) : "too many queries");
      try {
        const result = await exchange(question, how, signal);
        return result.kind === "failed"
          ? failed(result.reason)
          : readAnswer(result.message, question);
      } finally {
        release();
      }
    },
    sent: () => sent,
  };
}

const EXHAUSTED: Lookup<never> = {
  kind: "exhausted",
  reason: "the queries of this transaction are used up",
};

function temporary(reason: string): Lookup<never> {
  return { kind: "temporary", reason };
}

function failed(reason: string): ReadAnswer<never> {
  return { lookup: temporary(reason), ttlSeconds: null };
}

function serversOf({ servers }: DnsResolverOptions): readonly DnsServerAddress[] {
  if (!servers) return systemDnsServers();
  return servers.map((text) => {
    const server = parseDnsServer(text);
    if (!server) throw new Error(`dns.servers: expected an address, got ${JSON.stringify(text)}`);
    return server;
  });
}
