import assert from "node:assert/strict";
import { test } from "node:test";
import { makeSigningKey } from "../../src/auth/dkim/signing-key.ts";
import { check, GOOD } from "./check-installation.ts";

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

test("a file of authorities that cannot serve is a mistake", async (context) => {
  const settings = `${GOOD["postern.yaml"]}authorities: postern.yaml\n`;
  const { code, out } = await check(context, { ...GOOD, "postern.yaml": settings });
  assert.equal(code, 2);
  assert.match(out[0] ?? "", /expected a certificate in PEM/);
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
