import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startFakeDns } from "../test/support/fake-dns.ts";
import { findFreeTcpPort } from "../test/support/free-port.ts";
import { spawnGateway } from "../test/support/gateway-process.ts";
import { startPostfixHub } from "../test/support/postfix-hub.ts";
import { writeGatewayFiles } from "../test/support/test-gateway.ts";
import { spawnTied } from "../test/support/tied-process.ts";
import { waitUntil } from "../test/support/wait-until.ts";

/** A server that relays to the sink. */
export interface Subject {
  readonly name: string;
  readonly port: number;
  readonly to: string;
  /** Its process; others may be below it. */
  readonly pid: number;
}

type Started = Pick<Subject, "port" | "pid">;

/** Nothing but what cannot be left out, and the evidence of every message stored all the same. */
const ALONE = {
  phases: {
    connect: { steps: [] },
    helo: { steps: [] },
    mail: { steps: [] },
    rcpt: { steps: [["domains"]] },
    data: { steps: [] },
  },
};

/**
 * As Postfix writes its log: a reader that gets no processor would hold up whoever writes to its pipe.
 * For a look at where the time goes, options of Node.js reach the gateway only.
 */
const TO_FILE = 'NODE_OPTIONS="$BENCH_NODE_OPTIONS" exec "$@" >"$0"';
const START_LIMIT_MS = 30_000;

const LEFT_OUT = [
  "access",
  "antivirus",
  "attachments",
  "connection",
  "dnsbl",
  "rates",
  "reputation",
  "sender-auth",
] as const;

/** Whoever is meant by the same name as `only`; all of them without it. */
export async function startSubjects(
  stack: AsyncDisposableStack,
  sinkPort: number,
  only: (name: string) => boolean,
): Promise<readonly Subject[]> {
  const subjects: Subject[] = [];
  const add = async (names: readonly string[], start: () => Promise<Started>) => {
    if (!names.some(only)) return;
    const started = await start();
    for (const name of names.filter(only))
      subjects.push({
        ...started,
        name,
        to: name.endsWith("spool") ? "a@spool.test" : "a@hub.test",
      });
  };
  await add(["bare proxy"], () => startBareProxy(stack, sinkPort));
  await add(["Postfix"], () => startPostfix(stack, sinkPort));
  const addPostern = (name: string, shape: Shape) =>
    add([`${name}, ack: hub`, `${name}, ack: spool`], () => startPostern(stack, sinkPort, shape));
  await addPostern("Postern alone", { alone: true, workers: 1 });
  await addPostern("Postern alone, workers: 2", { alone: true, workers: 2 });
  await addPostern("Postern, every stage", { alone: false, workers: 1 });
  return subjects;
}

async function startBareProxy(stack: AsyncDisposableStack, sinkPort: number): Promise<Started> {
  const script = join(import.meta.dirname, "bare-proxy.ts");
  const proxy = spawnTied(process.execPath, [script, String(sinkPort)]);
  stack.defer(() => proxy.stop());
  const port = await waitUntil(
    () => `the bare proxy does not listen: ${proxy.output()}`,
    () => Number(/^\d+$/m.exec(proxy.output())?.[0]) || undefined,
  );
  return { port, pid: proxy.pid };
}

/** As a gateway is set up that has Postfix in the DMZ: no DNS, no filter, as many processes as it likes. */
async function startPostfix(stack: AsyncDisposableStack, sinkPort: number): Promise<Started> {
  const postfix = await startPostfixHub({
    domains: [],
    main: {
      relayhost: `[127.0.0.1]:${sinkPort}`,
      mynetworks: "127.0.0.0/8",
      smtpd_relay_restrictions: "permit_mynetworks, reject",
      smtp_tls_security_level: "none",
      smtpd_client_message_rate_limit: "0",
      smtpd_client_connection_rate_limit: "0",
    },
  });
  stack.defer(() => postfix.stop());
  return { port: postfix.port, pid: postfix.pid() };
}

interface Shape {
  /** Without any stage that can be left out. */
  readonly alone: boolean;
  readonly workers: number;
}

/** With SPF from a DNS server in this process, and without a scanner. */
async function startPostern(
  stack: AsyncDisposableStack,
  sinkPort: number,
  { alone, workers }: Shape,
): Promise<Started> {
  const folder = await mkdtemp(join(tmpdir(), "postern-bench-"));
  stack.defer(() => rm(folder, { recursive: true, force: true }));
  const dns = await startFakeDns({ "friend.test": { TXT: ["v=spf1 ip4:127.0.0.0/8 -all"] } });
  stack.defer(() => dns.close());
  const domains = { "hub.test": { verify: "off" }, "spool.test": { verify: "off", ack: "spool" } };
  const hub = {
    domains: Object.keys(domains),
    smarthosts: [`127.0.0.1:${sinkPort}`],
    tls: "none",
  };
  const port = await findFreeTcpPort();
  const settingsFile = await writeGatewayFiles(folder, {
    hubPort: sinkPort,
    settings: { workers, listeners: [{ name: "internet", listen: `127.0.0.1:${port}` }] },
    dnsServer: dns.address,
    policies: {
      domains: { domains },
      routing: { connectors: { hub } },
      limits: {
        connections: { perClient: 1000, newPerClientPerMinute: 1_000_000 },
        session: { transactions: 1_000_000 },
      },
      ...(alone && { pipeline: ALONE }),
    },
  });
  // Options of a stage that has no place are an error.
  if (alone) for (const stage of LEFT_OUT) await rm(join(folder, `policies/${stage}.yaml`));
  const log = join(folder, "log");
  const gateway = spawnGateway({ settingsFile, wrapper: ["sh", "-c", TO_FILE, log] });
  stack.defer(() => gateway.stop());
  await waitUntil(
    () => `the gateway does not start: ${gateway.output()}`,
    async () =>
      (await readFile(log, "utf8").catch(() => "")).includes('"event":"started"') || undefined,
    START_LIMIT_MS,
  );
  return { port, pid: gateway.pid };
}
