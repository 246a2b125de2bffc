import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { loadSettings } from "../src/settings.ts";
import { folderWith, MINIMAL, problemsOf } from "./support/settings-folder.ts";

test("two lines are settings enough; the rest has its default", async (context) => {
  const cwd = await folderWith(context, MINIMAL);
  assert.deepEqual(await loadSettings({ env: {}, cwd }), {
    file: join(cwd, "postern.yaml"),
    hostname: "mx1.example.org",
    dataDir: join(cwd, "data"),
    policies: join(cwd, "policies"),
    workers: 1,
    listeners: [
      {
        name: "internet",
        kind: "internet",
        listen: { host: "0.0.0.0", port: 2525 },
        hostname: "mx1.example.org",
        banner: null,
        auth: null,
        tls: { own: null, also: [], clientCa: null, clientPins: [], required: false },
        proxyProtocol: [],
        from: [],
      },
    ],
    dns: { servers: null, timeoutMs: 2000, validates: false },
    authorities: null,
    hosts: {},
    clamd: null,
    redis: null,
    metrics: null,
    log: { level: "info", format: "json" },
  });
});

test("every key of the file is heard", async (context) => {
  const cwd = await folderWith(
    context,
    `hostname: MX1.Example.org
dataDir: /var/lib/postern
policies: ../policies
workers: 1
listeners:
  - name: internet
    kind: internet
    listen: "[::]:25"
    hostname: mail.example.org
    tls: { cert: cert.pem, key: /etc/key.pem }
    proxyProtocol: [10.0.0.7, "fd00::/8"]
  - { name: inside, kind: hub, listen: "127.0.0.1:0", from: [10.1.0.0/16] }
dns: { servers: ["127.0.0.1:53", "[::1]:5353"], timeoutMs: 500, validates: true }
authorities: ca.pem
hosts: { hub.internal: 10.1.0.25, two.internal: [10.1.0.1, "2001:db8::1"] }
clamd: ["127.0.0.1:3310", "unix:/run/clamd.ctl"]
metrics: { listen: "127.0.0.1:9464" }
log: { level: debug, format: pretty }
`,
  );
  const settings = await loadSettings({ env: {}, cwd });
  assert.equal(settings.hostname, "mx1.example.org");
  assert.equal(settings.dataDir, "/var/lib/postern");
  assert.equal(settings.policies, join(cwd, "../policies"));
  assert.deepEqual(settings.listeners[0], {
    name: "internet",
    kind: "internet",
    listen: { host: "::", port: 25 },
    hostname: "mail.example.org",
    banner: null,
    auth: null,
    tls: {
      own: { cert: join(cwd, "cert.pem"), key: "/etc/key.pem" },
      also: [],
      clientCa: null,
      clientPins: [],
      required: false,
    },
    proxyProtocol: [
      { family: 4, octets: [10, 0, 0, 7], bits: 32 },
      { family: 6, octets: [0xfd, ...Array<number>(15).fill(0)], bits: 8 },
    ],
    from: [],
  });
  assert.equal(settings.listeners[1]?.kind, "hub");
  assert.deepEqual(settings.listeners[1]?.from, ["10.1.0.0/16"]);
  assert.deepEqual(settings.listeners[1]?.listen, { host: "127.0.0.1", port: 0 });
  const servers = ["127.0.0.1:53", "[::1]:5353"];
  assert.deepEqual(settings.dns, { servers, timeoutMs: 500, validates: true });
  assert.equal(settings.authorities, join(cwd, "ca.pem"));
  assert.deepEqual(settings.hosts, {
    "hub.internal": "10.1.0.25",
    "two.internal": ["10.1.0.1", "2001:db8::1"],
  });
  assert.deepEqual(settings.clamd, ["127.0.0.1:3310", "unix:/run/clamd.ctl"]);
  assert.deepEqual(settings.metrics, { listen: { host: "127.0.0.1", port: 9464 } });
  assert.deepEqual(settings.log, { level: "debug", format: "pretty" });
});

test("the environment alone is enough, and its paths count from where we were started", async (context) => {
  const cwd = await folderWith(context);
  const settings = await loadSettings({
    cwd,
    env: {
      POSTERN_HOSTNAME: "mx1.example.org",
      POSTERN_DATA_DIR: "state",
      POSTERN_POLICIES: "/etc/policies",
      POSTERN_WORKERS: "1",
      POSTERN_LISTENERS: "0.0.0.0:2525,[::]:2525",
      POSTERN_DNS_SERVERS: "127.0.0.1:53, [::1]:53",
      POSTERN_DNS_TIMEOUT_MS: "700",
      POSTERN_DNS_VALIDATES: "true",
      POSTERN_AUTHORITIES: "ca.pem",
      POSTERN_HOSTS: "hub.internal=10.1.0.25,other.internal=10.1.0.26",
      POSTERN_CLAMD: "127.0.0.1:3310",
      POSTERN_METRICS_LISTEN: "127.0.0.1:0",
      POSTERN_LOG_LEVEL: "warn",
      POSTERN_LOG_FORMAT: "pretty",
    },
  });
  assert.equal(settings.file, null);
  assert.equal(settings.dataDir, join(cwd, "state"));
  assert.equal(settings.policies, "/etc/policies");
  assert.deepEqual(
    settings.listeners.map(({ name, listen }) => [name, listen.host]),
    [
      ["internet", "0.0.0.0"],
      ["internet-2", "::"],
    ],
  );
  const servers = ["127.0.0.1:53", "[::1]:53"];
  assert.deepEqual(settings.dns, { servers, timeoutMs: 700, validates: true });
  assert.equal(settings.authorities, join(cwd, "ca.pem"));
  assert.deepEqual(settings.hosts, { "hub.internal": "10.1.0.25", "other.internal": "10.1.0.26" });
  assert.deepEqual(settings.clamd, ["127.0.0.1:3310"]);
  assert.equal(settings.log.level, "warn");
});

test("lists and maps may be given as JSON", async (context) => {
  const cwd = await folderWith(context);
  const settings = await loadSettings({
    cwd,
    env: {
      POSTERN_HOSTNAME: "mx1.example.org",
      POSTERN_LISTENERS: '[{"name":"a","kind":"internet","listen":"127.0.0.1:0"}]',
      POSTERN_HOSTS: '{"hub.internal":["10.1.0.25"]}',
      POSTERN_CLAMD: '["unix:/run/clamd.ctl"]',
    },
  });
  assert.equal(settings.listeners[0]?.name, "a");
  assert.deepEqual(settings.hosts, { "hub.internal": ["10.1.0.25"] });
  assert.deepEqual(settings.clamd, ["unix:/run/clamd.ctl"]);
});

test("a variable wins over the file, an empty one does not", async (context) => {
  const cwd = await folderWith(context, `${MINIMAL}dns: { timeoutMs: 500 }\n`);
  const env = {
    POSTERN_HOSTNAME: "mx2.example.org",
    POSTERN_CLAMD: "",
    POSTERN_DNS_SERVERS: "127.0.0.1:53",
  };
  const settings = await loadSettings({ env, cwd });
  assert.equal(settings.hostname, "mx2.example.org");
  assert.equal(settings.clamd, null);
  const servers = ["127.0.0.1:53"];
  assert.deepEqual(settings.dns, { servers, timeoutMs: 500, validates: false });
});

test("a wrong variable is named, and so is the file for the rest", async (context) => {
  const cwd = await folderWith(context, "hostname: mx1\nclamd: none\n");
  const env = { POSTERN_LOG_LEVEL: "loud", POSTERN_HOSTNAM: "x", POSTERN_DNS_SERVERS: "resolver" };
  assert.deepEqual(await problemsOf({ env, cwd }), [
    'postern.yaml:1:11  hostname: expected a full host name such as mx1.example.org, got "mx1"',
    'POSTERN_DNS_SERVERS:1:1  dns.servers.0: expected address:port such as 127.0.0.1:53, got "resolver"',
    "POSTERN_HOSTNAM:1:1  unknown variable `POSTERN_HOSTNAM`; did you mean `POSTERN_HOSTNAME`?",
    'POSTERN_LOG_LEVEL:1:1  log.level: expected one of debug, info, warn, error, got "loud"',
  ]);
});

test("variables that others set are no mistake", async (context) => {
  const cwd = await folderWith(context, MINIMAL);
  const env = {
    POSTERN_NODE: "/usr/bin/node",
    POSTERN_TEST_FULL: "1",
    POSTERN_SERVICE_HOST: "10.96.0.1",
    POSTERN_SERVICE_PORT_SMTP: "25",
    POSTERN_PORT: "tcp://10.96.0.1:25",
    POSTERN_PORT_25_TCP_ADDR: "10.96.0.1",
    HOSTNAME: "pod",
  };
  assert.equal((await loadSettings({ env, cwd })).hostname, "mx1.example.org");
});

test("a file that was named must be there", async (context) => {
  const cwd = await folderWith(context, MINIMAL);
  for (const input of [{ file: "other.yaml" }, { env: { POSTERN_SETTINGS: "other.yaml" } }]) {
    const problems = await problemsOf({ env: {}, cwd, ...input });
    assert.equal(problems.length, 1);
    assert.match(problems[0] ?? "", /^other\.yaml:1:1 {2}cannot be read/);
  }
});

test("the file is looked for beside the policies", async (context) => {
  const cwd = await folderWith(context);
  await mkdir(join(cwd, "etc"));
  await writeFile(join(cwd, "etc/postern.yaml"), MINIMAL);
  const settings = await loadSettings({ env: { POSTERN_POLICIES: "etc/policies" }, cwd });
  assert.equal(settings.file, join(cwd, "etc/postern.yaml"));
  assert.equal(settings.policies, join(cwd, "etc/policies"));
});

test("without a file it says where it looked", async (context) => {
  const cwd = await folderWith(context);
  const problems = await problemsOf({ env: {}, cwd });
  assert.ok(
    problems.includes("postern.yaml:1:1  no settings file here, nor /etc/postern/postern.yaml"),
  );
});

test("a host name that is an address, or is not full, is refused", async (context) => {
  for (const name of [
    "localhost",
    "10.0.0.1",
    "'[10.0.0.1]'",
    "mx1.example.org.",
    "a_b",
    "-a.org",
  ]) {
    const cwd = await folderWith(context, `hostname: ${name}\nclamd: none\n`);
    assert.match(
      (await problemsOf({ env: {}, cwd })).join(),
      /hostname: expected a full host name/,
    );
  }
});

test("no message repeats a password", async (context) => {
  const cwd = await folderWith(context, `${MINIMAL}redis: "redis://:hunter2@127.0.0.1/0"\n`);
  const problems = await problemsOf({ env: { POSTERN_REDIS: "redis://:hunter3@::1/" }, cwd });
  assert.deepEqual(problems, [
    "POSTERN_REDIS:1:1  redis: expected redis://HOST:PORT/DB, redis+sentinel://HOST:PORT,HOST:PORT/NAME/DB or redis+cluster://HOST:PORT,HOST:PORT, with rediss for TLS",
  ]);
});
