import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { makeSigningKey } from "../../src/auth/dkim/signing-key.ts";
import { checkCommand } from "../../src/cli/check.ts";
import { loadSettings } from "../../src/settings.ts";
import { afterwards } from "../support/afterwards.ts";

async function check(
  context: TestContext,
  files: Readonly<Record<string, string>>,
  options: { readonly json?: boolean; readonly settingsFile?: string } = {},
) {
  const cwd = await mkdtemp(join(tmpdir(), "postern-check-"));
  afterwards(context, () => rm(cwd, { recursive: true, force: true }));
  await mkdir(join(cwd, "policies"));
  for (const [name, text] of Object.entries(files))
    await writeFile(join(cwd, name), text, name.endsWith(".pem") ? { mode: 0o600 } : {});
  const out: string[] = [];
  const err: string[] = [];
  const code = await checkCommand(
    {
      out: (line) => void out.push(line),
      err: (line) => void err.push(line),
      env: {},
      cwd,
      json: options.json ?? false,
      ...(options.settingsFile !== undefined && { settingsFile: options.settingsFile }),
    },
    { loadSettings },
  );
  return { code, out, err, cwd };
}

const GOOD = {
  "postern.yaml": "hostname: mx1.example.org\nclamd: none\n",
  "policies/domains.yaml": "domains: { example.org: { recipients: { list: [a@example.org] } } }\n",
  "policies/routing.yaml": "connectors: { hub: { domains: [example.org], smarthosts: [hub] } }\n",
};

test("a good installation is a table and exit code 0", async (context) => {
  const { code, out, err } = await check(context, GOOD);
  assert.equal(code, 0);
  assert.deepEqual(err, []);
  assert.equal(out.at(-1), "ok");
  const text = out.join("\n");
  assert.match(text, /^hostname +mx1\.example\.org$/m);
  assert.match(text, /^domains +example\.org$/m);
  assert.match(text, /^policies +.*policies \(version [0-9a-f]{12}\)$/m);
  assert.match(text, /^clamd +none: mail is not scanned$/m);
});

test("how each domain knows its recipients is told, with numbers and age, and a stale list is warned of", async (context) => {
  const made = new Date(Date.now() - 3 * 3_600_000).toISOString();
  const files = {
    ...GOOD,
    "policies/domains.yaml": `domains:
  a.test: { recipients: { list: ["x@a.test", "y@a.test"], tags: + } }
  b.test: { recipients: { file: b.txt, fresh: 2h } }
  c.test: { type: internal-relay }
  d.test:
`,
    "policies/routing.yaml": "connectors: { hub: { domains: ['*'], smarthosts: [hub] } }\n",
    "policies/b.txt": `# made: ${made}\nx@b.test\n`,
  };
  const { code, out } = await check(context, files);
  assert.equal(code, 0);
  const text = out.join("\n");
  assert.match(text, /^recipients +a\.test: 2 addresses in domains\.yaml, with tags behind \+$/m);
  assert.match(text, /^recipients +b\.test: 1 address in b\.txt, 3 h old, fresh for 2h$/m);
  assert.match(text, /^recipients +c\.test \(internal-relay\): everyone; nobody is looked up$/m);
  assert.match(text, /^recipients +d\.test: the hub is asked, at most 300 times a minute$/m);
  assert.match(text, /^warning: b\.test: b\.txt is stale, of .*: everyone is accepted$/m);
});

test("mistakes of settings and policies come together, with exit code 2", async (context) => {
  const { code, out, err } = await check(context, {
    ...GOOD,
    "postern.yaml": "hostname: mx1.example.org\nclamd: none\ndatadir: x\n",
    "policies/domains.yaml": "domains:\n  example.org: { recipents: {} }\n",
    "policies/limits.yaml": "message: { maxBytes: big }\n",
  });
  assert.equal(code, 2);
  assert.deepEqual(out, [
    "postern.yaml:3:1  datadir: unknown key `datadir`; did you mean `dataDir`?",
    "policies/domains.yaml:2:18  domains.example.org.recipents: unknown key `recipents`; did you mean `recipients`?",
    'policies/limits.yaml:1:22  message.maxBytes: expected a number, got "big"',
  ]);
  assert.deepEqual(err, ["3 problems"]);
});

test("for programs there is one JSON object", async (context) => {
  const good = await check(context, GOOD, { json: true });
  const answer = JSON.parse(good.out.join("\n"));
  assert.equal(good.code, 0);
  assert.equal(answer.ok, true);
  assert.match(answer.policies.version, /^[0-9a-f]{12}$/);
  assert.deepEqual(answer.problems, []);

  const bad = await check(context, { ...GOOD, "policies/limts.yaml": "{}\n" }, { json: true });
  assert.equal(bad.code, 2);
  assert.deepEqual(bad.err, []);
  assert.deepEqual(JSON.parse(bad.out.join("\n")).problems, [
    {
      file: "policies/limts.yaml",
      line: 1,
      col: 1,
      path: "",
      message: "no stage reads this policy file; did you mean `limits.yaml`?",
    },
  ]);
});

test("which keys sign for whom is told, to programs as well", async (context) => {
  const key = { selector: "s1", file: "s1.pem" };
  const files = {
    ...GOOD,
    "policies/signing.yaml": JSON.stringify({
      keys: { "example.org": key, "*.example.org": [key] },
      arc: { domain: "example.org", ...key },
    }),
    "policies/s1.pem": makeSigningKey("rsa", 1024),
  };
  const text = (await check(context, files)).out.join("\n");
  assert.match(text, /^signing +example\.org: s1 \(RSA, 1024 bits\)$/m);
  const { out } = await check(context, files, { json: true });
  const shown = { domain: "example.org", selector: "s1", algorithm: "rsa-sha256", bits: 1024 };
  assert.deepEqual(JSON.parse(out.join("\n")).signing, {
    keys: [
      { pattern: "example.org", keys: [shown] },
      { pattern: "*.example.org", keys: [shown] },
    ],
    arc: shown,
  });
  const none = await check(context, GOOD, { json: true });
  assert.deepEqual(JSON.parse(none.out.join("\n")).signing, { keys: [], arc: null });
});

test("a settings file that is not there is a mistake; the policies are checked all the same", async (context) => {
  const { code, out } = await check(
    context,
    { ...GOOD, "policies/limits.yaml": "a: 1\n" },
    { settingsFile: "nowhere.yaml" },
  );
  assert.equal(code, 2);
  assert.match(out[0] ?? "", /^nowhere\.yaml:1:1 {2}cannot be read/);
  assert.match(out[1] ?? "", /^policies\/limits\.yaml:1:1 {2}a: unknown key/);
});

test("warnings are told and are no mistakes", async (context) => {
  const files = {
    ...GOOD,
    "policies/routing.yaml":
      "connectors: { hub: { domains: [example.org, other.test], smarthosts: [hub] } }\n",
  };
  const { code, out } = await check(context, files);
  assert.equal(code, 0);
  assert.deepEqual(
    out.filter((line) => line.startsWith("warning: ")),
    [
      "warning: listener internet: no certificate is named, so that a self-signed one is made and shown",
      "warning: routing.yaml connectors.hub: `other.test` is no accepted domain, and no hub listener sends mail there",
    ],
  );
  assert.equal(out.at(-1), "ok");
  const { warnings } = JSON.parse((await check(context, files, { json: true })).out.join("\n"));
  assert.equal(warnings.length, 2);
});

test("DANE that cannot be heeded and reports on nothing are warned of", async (context) => {
  const warned = async (routing: string, settings = "", more: Record<string, string> = {}) => {
    const { code, out } = await check(context, {
      ...GOOD,
      ...more,
      "postern.yaml": `${GOOD["postern.yaml"]}${settings}`,
      "policies/routing.yaml": routing,
    });
    assert.equal(code, 0, out.join("\n"));
    return out.filter((line) => /^warning: .*(?:DANE|tlsReports)/.test(line));
  };
  const mx = (more = "") => `connectors: { out: { domains: [example.org], mx: true${more} } }\n`;
  const warning =
    "warning: routing.yaml connectors.out: DANE is not used, because no DNS server is said to validate (dns.validates); dane: false says that it is meant so";
  assert.deepEqual(await warned(mx()), [warning]);
  assert.deepEqual(await warned(mx(", dane: false")), []);
  assert.deepEqual(await warned(mx(), "dns: { validates: true }\n"), []);
  const reports = "tlsReports: { enabled: true, from: tls@example.org }\n";
  const hub = "connectors: { hub: { domains: [example.org], smarthosts: [hub] } }\n";
  const unsigned =
    "warning: routing.yaml tlsReports: signing.yaml has no key for example.org: receivers have to ignore reports without a signature (RFC 8460 3)";
  assert.deepEqual(await warned(hub + reports), [
    "warning: routing.yaml tlsReports: there is nothing to report: no connector looks up mail servers (mx: true)",
    unsigned,
  ]);
  assert.deepEqual(await warned(mx(", dane: false") + reports), [unsigned]);
  const off = reports.replace("true", "false");
  assert.deepEqual(await warned(mx(", dane: false") + off), []);
  const signed = {
    "policies/signing.yaml": "keys: { example.org: { selector: s1, file: s1.pem } }\n",
    "policies/s1.pem": makeSigningKey("rsa", 2048),
  };
  assert.deepEqual(await warned(mx(", dane: false") + reports, "", signed), []);
});

test("DMARC reports that would tell nothing or reach nobody are warned of", async (context) => {
  const warned = async (routing: string, more: Record<string, string> = {}) => {
    const files = { ...GOOD, "policies/routing.yaml": routing, ...more };
    const { code, out } = await check(context, files);
    assert.equal(code, 0, out.join("\n"));
    return out.filter((line) => line.startsWith("warning: routing.yaml dmarcReports"));
  };
  const reports = "dmarcReports: { enabled: true, from: dmarc@example.org }\n";
  const all = 'connectors: { out: { domains: ["*"], smarthosts: [hub] } }\n';
  const hub = "connectors: { hub: { domains: [example.org], smarthosts: [hub] } }\n";
  assert.deepEqual(await warned(all + reports), []);
  assert.deepEqual(await warned(hub), []);
  const pipeline = "phases: { data: { steps: [[antivirus]] } }\n";
  assert.deepEqual(await warned(hub + reports, { "policies/pipeline.yaml": pipeline }), [
    "warning: routing.yaml dmarcReports: there is nothing to report: stage `dmarc` is not in pipeline.yaml",
    "warning: routing.yaml dmarcReports: no connector takes mail for all domains (*): few reports can be sent",
  ]);
});

test("a file of authorities that cannot serve is a mistake", async (context) => {
  const settings = `${GOOD["postern.yaml"]}authorities: postern.yaml\n`;
  const { code, out } = await check(context, { ...GOOD, "postern.yaml": settings });
  assert.equal(code, 2);
  assert.match(out[0] ?? "", /expected a certificate in PEM/);
});

test("limits of a listener that the settings do not have are warned of, with the name that was meant", async (context) => {
  const limits = (name: string) => ({
    ...GOOD,
    "policies/limits.yaml": `listeners: { ${name}: { connections: { max: 100 } } }\n`,
  });
  const warned = async (name: string) => {
    const { code, out } = await check(context, limits(name));
    assert.equal(code, 0);
    return out.filter((line) => line.startsWith("warning: limits.yaml"));
  };
  assert.deepEqual(await warned("internet"), []);
  assert.deepEqual(await warned("internt"), [
    "warning: limits.yaml listeners.internt: the settings have no such listener; did you mean `internet`?",
  ]);
  assert.deepEqual(await warned("toString"), [
    "warning: limits.yaml listeners.toString: the settings have no such listener",
  ]);
});

test("without settings nobody knows which listeners there are, and none is warned of", async (context) => {
  const { out } = await check(context, {
    ...GOOD,
    "postern.yaml": "hostname: mx1.example.org\n",
    "policies/limits.yaml": "listeners: { inside: { connections: { max: 100 } } }\n",
  });
  assert.deepEqual(
    out.filter((line) => line.startsWith("warning: ")),
    [],
  );
});

test("a certificate that cannot be read is a mistake", async (context) => {
  const { code, out } = await check(context, {
    ...GOOD,
    "postern.yaml":
      "hostname: mx1.example.org\nclamd: none\nlisteners:\n  - { name: a, listen: '127.0.0.1:0', tls: { cert: c.pem, key: k.pem } }\n",
  });
  assert.equal(code, 2);
  assert.match(out.join("\n"), /^c\.pem:1:1 {2}ENOENT/);
});

test("a file of users that cannot serve is told with the settings", async (context) => {
  const { code, out } = await check(context, {
    ...GOOD,
    "postern.yaml":
      "hostname: mx1.example.org\nclamd: none\nlisteners:\n" +
      "  - { name: sub, kind: hub, listen: 127.0.0.1:2587, auth: users.txt }\n" +
      "  - { name: none, kind: hub, listen: 127.0.0.1:2588, auth: { users: nobody.txt } }\n",
    "users.txt": "alice:secret\n",
  });
  assert.equal(code, 2);
  const text = out.join("\n");
  assert.match(text, /^users\.txt:1:1 {2}others can read or change it \(mode 0[0-7]{3}\)/m);
  assert.match(text, /^nobody\.txt:1:1 {2}cannot be read: ENOENT/m);
  assert.doesNotMatch(text, /secret/);
});

test("the stages of both pipelines are listed", async (context) => {
  const { out } = await check(context, GOOD);
  const text = out.join("\n");
  assert.match(
    text,
    /^stages +access, connection-rate, dnsbl, reverse-dns, pregreet, helo, sender-access, spf, sender-domain, spf-access, reputation, message-rate, domains, rcpt-rate, greylist, trusted-relay, dkim, from, from-access, arc, dmarc, sender-id, attachments, antivirus$/m,
  );
  assert.match(text, /^outbound +access, own-sender, sender-rate, recipient-rate, domains, /m);
});

test("a file without users is probably not meant", async (context) => {
  const { cwd } = await check(context, GOOD);
  const users = join(cwd, "users.txt");
  await writeFile(users, "# nobody yet\n", { mode: 0o600 });
  const { code, out } = await check(context, {
    ...GOOD,
    "postern.yaml":
      "hostname: mx1.example.org\nclamd: none\nlisteners:\n" +
      `  - { name: sub, kind: hub, listen: 127.0.0.1:2587, auth: ${users} }\n`,
  });
  assert.equal(code, 0);
  assert.ok(
    out.includes(`warning: listener sub: ${users}: it has no users, so that nobody can log on`),
    out.join("\n"),
  );
});

test("where Redis is, and a file of its password that cannot be used, is told", async (context) => {
  const redis = "redis: { url: 'redis://10.1.0.9', passwordFile: gone }\n";
  const bad = await check(context, { ...GOOD, "postern.yaml": GOOD["postern.yaml"] + redis });
  assert.equal(bad.code, 2);
  assert.match(bad.out.join("\n"), /^gone:1:1 {2}.*gone: cannot be read: ENOENT/m);
  const files = { ...GOOD, "postern.yaml": GOOD["postern.yaml"] + redis, gone: "secret\n" };
  const good = await check(context, files);
  assert.equal(good.code, 0);
  assert.match(good.out.join("\n"), /^redis +redis:\/\/10\.1\.0\.9:6379\/0$/m);
  assert.match(good.out.join("\n"), /^warning: redis: its password goes over the network/m);
  assert.doesNotMatch(good.out.join("\n"), /secret/);
  const none = await check(context, GOOD);
  assert.match(none.out.join("\n"), /^redis +none: reputation is kept in the data folder$/m);
});

test("that any From of ours is signed for whoever logs on is probably not meant", async (context) => {
  const { cwd } = await check(context, GOOD);
  const users = join(cwd, "users.txt");
  await writeFile(users, "", { mode: 0o600 });
  const warned = async (pipeline: string) => {
    const { out } = await check(context, {
      ...GOOD,
      "postern.yaml":
        "hostname: mx1.example.org\nclamd: none\nlisteners:\n" +
        `  - { name: sub, kind: hub, listen: 127.0.0.1:2587, auth: ${users} }\n`,
      "policies/signing.yaml": `keys: { example.org: { selector: s1, file: s1.pem } }\n`,
      "policies/s1.pem": makeSigningKey("rsa", 2048),
      "policies/pipeline.yaml": pipeline,
    });
    return out.filter((line) => line.includes("ownAuthors"));
  };
  assert.deepEqual(await warned("# as shipped\n"), [
    "warning: pipeline.yaml outbound.ownAuthors.password: mode is off: whoever logs on gets the From of anybody here signed",
  ]);
  const marked = "outbound: { ownAuthors: { password: { mode: mark } } }\n";
  assert.deepEqual(await warned(marked), []);
});
