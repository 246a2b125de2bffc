import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { makeSigningKey } from "../../src/auth/dkim/signing-key.ts";
import { check, GOOD } from "./check-installation.ts";

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
