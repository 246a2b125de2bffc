import assert from "node:assert/strict";
import { mkdtemp, readdir, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { before, describe, it, type TestContext } from "node:test";
import { createLog } from "../../../src/base/log.ts";
import { createDnsResolver } from "../../../src/net/dns-resolver.ts";
import { createHttpsClient } from "../../../src/net/https-exchange.ts";
import { createLookupScope } from "../../../src/net/resolver.ts";
import { createMtaSts, type MtaSts } from "../../../src/relay/tls/mta-sts.ts";
import { createStsStore } from "../../../src/relay/tls/mta-sts-store.ts";
import { afterwards } from "../../support/afterwards.ts";
import { createFakeClock } from "../../support/fake-clock.ts";
import { startFakeDns } from "../../support/fake-dns.ts";
import { type MadeCertificate, makeCertificate } from "../../support/made-certificate.ts";
import { type PolicyAnswer, startPolicyHost } from "../../support/policy-host.ts";
import { waitUntil } from "../../support/wait-until.ts";

const DOMAIN = "example.org";
const HOST = `mta-sts.${DOMAIN}`;
const DAY_MS = 86_400_000;

const policy = (mode: string, maxAge = 604_800): PolicyAnswer => ({
  body: `version: STSv1\nmode: ${mode}\nmx: mx.example.org\nmax_age: ${maxAge}\n`,
});
const record = (id: string) => ({
  [`_mta-sts.${DOMAIN}`]: { TXT: [`v=STSv1; id=${id}`], ttl: 60 },
});

describe("the MTA-STS policy of a domain", () => {
  let authority: MadeCertificate;
  let identity: MadeCertificate;
  before(async () => {
    authority = await makeCertificate("Test CA", { isAuthority: true });
    identity = await makeCertificate(HOST, { by: authority });
  });

  async function setUp(t: TestContext, { shown = identity, private: isPrivate = true } = {}) {
    const folder = await mkdtemp(join(tmpdir(), "postern-sts-"));
    const host = await startPolicyHost(shown, policy("enforce"));
    const dns = await startFakeDns(record("1"));
    const clock = createFakeClock();
    dns.onDrop(() => void clock.advance(2000));
    const hosts = { [HOST]: "127.0.0.1" };
    const resolver = createDnsResolver({ clock, servers: [dns.address], hosts });
    const isOwnHost = (name: string) => isPrivate && name === HOST;
    const https = createHttpsClient({ resolver, authorities: [authority.cert], isOwnHost });
    const make = () =>
      createMtaSts({
        resolver,
        https,
        clock,
        log: createLog({ level: "error", format: "json", write() {} }),
        store: createStsStore(folder),
        port: host.port,
      });
    afterwards(t, async () => {
      resolver.close();
      await Promise.all([host.close(), dns.close()]);
      await rm(folder, { recursive: true, force: true });
    });
    const find = (sts: MtaSts) => sts.find(DOMAIN, createLookupScope(new AbortController().signal));
    const modeOf = async (sts: MtaSts) => (await find(sts)).kept?.policy.mode ?? null;
    const faultOf = async (sts: MtaSts) => (await find(sts)).trouble?.fault ?? null;
    return { folder, host, dns, clock, make, find, modeOf, faultOf };
  }

  it("is fetched once from the well-known place, and not asked for again", async (t) => {
    const { make, modeOf, host } = await setUp(t);
    const sts = make();
    const together = await Promise.all([modeOf(sts), modeOf(sts), modeOf(sts)]);
    assert.deepEqual(together, ["enforce", "enforce", "enforce"]);
    assert.equal(await modeOf(sts), "enforce");
    assert.deepEqual(host.requests, [`GET ${HOST} /.well-known/mta-sts.txt`]);
  });

  it("is nothing without a record, and then nobody is asked", async (t) => {
    const { make, find, host, dns } = await setUp(t);
    dns.setZone({});
    assert.deepEqual(await find(make()), { kept: null, trouble: null });
    assert.equal(host.requests.length, 0);
  });

  it("outlives a restart, the policy host and the record, until its time is over", async (t) => {
    const { make, modeOf, host, dns, clock } = await setUp(t);
    assert.equal(await modeOf(make()), "enforce");
    host.say({ status: 500, body: "" });
    dns.setZone({});
    await clock.advance(6 * DAY_MS);
    assert.equal(await modeOf(make()), "enforce");
    await clock.advance(DAY_MS);
    assert.equal(await modeOf(make()), null);
  });

  it("stays in force while DNS does not answer", async (t) => {
    const { make, modeOf, dns, clock } = await setUp(t);
    const sts = make();
    assert.equal(await modeOf(sts), "enforce");
    await clock.advance(3_600_000);
    dns.behave(`_mta-sts.${DOMAIN}`, "servfail");
    assert.equal(await modeOf(sts), "enforce");
  });

  it("is fetched anew when the record has another id", async (t) => {
    const { make, modeOf, host, dns, clock } = await setUp(t);
    const sts = make();
    assert.equal(await modeOf(sts), "enforce");
    host.say(policy("testing"));
    assert.equal(await modeOf(sts), "enforce");
    dns.setZone(record("2"));
    await clock.advance(61_000);
    assert.equal(await modeOf(sts), "testing");
    assert.equal(await modeOf(make()), "testing");
  });

  it("stays in force when the new one cannot be had, and the host is left alone for a while", async (t) => {
    const { make, find, modeOf, host, dns, clock } = await setUp(t);
    const sts = make();
    await find(sts);
    dns.setZone(record("2"));
    host.say({ status: 404, body: "" });
    await clock.advance(61_000);
    for (let round = 0; round < 3; round++) {
      const { kept, trouble } = await find(sts);
      assert.equal(kept?.policy.mode, "enforce");
      assert.equal(trouble?.fault, "sts-policy-fetch-error");
    }
    assert.equal(host.requests.length, 2);
    host.say(policy("none"));
    await clock.advance(5 * 60_000);
    assert.equal(await modeOf(sts), "none");
  });

  it("is not taken from an answer that is wrong in any way", async (t) => {
    const { make, faultOf, host } = await setUp(t);
    const cases: readonly (readonly [PolicyAnswer, string])[] = [
      [
        { status: 301, headers: { location: `https://${HOST}/` }, body: "" },
        "sts-policy-fetch-error",
      ],
      [{ status: 204, body: "" }, "sts-policy-fetch-error"],
      [{ ...policy("enforce"), headers: { "content-type": "text/html" } }, "sts-policy-invalid"],
      [policy("maybe"), "sts-policy-invalid"],
      [{ body: `${policy("enforce").body}${"x: y\n".repeat(20_000)}` }, "sts-policy-fetch-error"],
    ];
    for (const [answer, fault] of cases) {
      host.say(answer);
      assert.equal(await faultOf(make()), fault);
    }
    host.say({ ...policy("enforce"), headers: { "content-type": "Text/Plain; charset=utf-8" } });
    assert.equal(await faultOf(make()), null);
  });

  it("is not taken from a host that cannot prove its name", async (t) => {
    const wrong = await makeCertificate("elsewhere.example", { by: authority });
    const self = await makeCertificate(HOST);
    const old = await makeCertificate(HOST, {
      by: authority,
      from: new Date(Date.now() - 2 * DAY_MS),
      to: new Date(Date.now() - DAY_MS),
    });
    for (const shown of [wrong, self, old]) {
      const { make, faultOf, modeOf, host } = await setUp(t, { shown });
      const sts = make();
      assert.equal(await faultOf(sts), "sts-webpki-invalid");
      assert.equal(await modeOf(sts), null);
      assert.equal(host.requests.length, 0);
    }
  });

  it("is not asked of an address that only we can reach", async (t) => {
    const { make, find, host } = await setUp(t, { private: false });
    const { kept, trouble } = await find(make());
    assert.equal(kept, null);
    assert.match(trouble?.reason ?? "", /not public: 127\.0\.0\.1/);
    assert.equal(host.requests.length, 0);
  });

  it("does not keep mail waiting for a host that never answers", async (t) => {
    const { make, find, host, clock } = await setUp(t);
    host.say(null);
    const found = find(make());
    await waitUntil(
      () => "the host was not asked",
      () => host.requests.length || undefined,
    );
    await clock.advance(15_000);
    assert.equal((await found).trouble?.fault, "sts-policy-fetch-error");
  });

  it("is fetched again every day before it ends, also without mail", async (t) => {
    const { make, modeOf, host, clock } = await setUp(t);
    const sts = make();
    await modeOf(sts);
    await sts.refresh();
    assert.equal(host.requests.length, 1);
    for (let day = 1; day <= 10; day++) {
      await clock.advance(DAY_MS);
      await sts.refresh();
      assert.equal(host.requests.length, 1 + day);
    }
    host.say({ status: 500, body: "" });
    await clock.advance(6 * DAY_MS);
    await sts.refresh();
    assert.equal(await modeOf(make()), "enforce");
  });

  it("is forgotten when its time is over or nobody writes there any more", async (t) => {
    const { make, modeOf, host, clock, folder } = await setUp(t);
    host.say(policy("enforce", 31_557_600));
    const sts = make();
    await modeOf(sts);
    await clock.advance(32 * DAY_MS);
    await sts.refresh();
    assert.equal(host.requests.length, 1);
    assert.equal((await readdir(folder)).length, 1);
    await clock.advance(400 * DAY_MS);
    await sts.refresh();
    assert.equal((await readdir(folder)).length, 0);
  });

  it("leaves no drafts of a crash behind, and spares one that is being written", async (t) => {
    const { make, folder } = await setUp(t);
    const draft = (uuid: string) => join(folder, `${"ab".repeat(32)}.json.${uuid}`);
    const old = draft("123e4567-e89b-12d3-a456-426614174000");
    await writeFile(old, "{");
    await utimes(old, new Date(0), new Date(0));
    await writeFile(draft("123e4567-e89b-12d3-a456-426614174001"), "{");
    await make().refresh();
    assert.equal((await readdir(folder)).length, 1);
  });

  it("is fetched again when its file is damaged", async (t) => {
    const { make, modeOf, host, folder } = await setUp(t);
    await modeOf(make());
    const [name = ""] = await readdir(folder);
    await writeFile(join(folder, name), '{"domain":"example.org","policy":"version: STSv');
    assert.equal(await modeOf(make()), "enforce");
    assert.equal(host.requests.length, 2);
  });
});
