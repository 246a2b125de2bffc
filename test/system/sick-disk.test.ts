import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { findFreeTcpPort } from "../support/free-port.ts";
import { startScriptedHub } from "../support/scripted-hub.ts";
import { type SentMail, SIMPLE_MESSAGE, sendMail } from "../support/send-mail.ts";
import { mountSmallDisk, type SmallDisk } from "../support/small-disk.ts";
import { startTestGateway, type TestGateway } from "../support/test-gateway.ts";
import { waitUntil } from "../support/wait-until.ts";
import { storyOf } from "../support/with-edge.ts";

const LIMITS = {
  connections: { newPerClientPerMinute: 10_000 },
  delivery: { waitSeconds: 1, retryFirstSeconds: 1, retryMaxSeconds: 1 },
};
/** An entry that could not be read is left alone for a minute. */
const LIMIT_MS = 120_000;
/** Mail that is promised before the disk falls ill. */
const PROMISED = 5;

interface Sickness {
  readonly title: string;
  /** For mount. */
  readonly disk: string;
  strike(disk: SmallDisk, spool: string): Promise<void>;
  heal(disk: SmallDisk, spool: string): Promise<void>;
}

const SICKNESSES: readonly Sickness[] = [
  {
    title: "full",
    disk: "size=20m",
    strike: (disk) => disk.fill(),
    heal: (disk) => disk.empty(),
  },
  {
    title: "out of inodes",
    disk: "size=20m,nr_inodes=400",
    strike: (disk) => disk.fillInodes(),
    heal: (disk) => disk.empty(),
  },
  {
    title: "read-only",
    disk: "size=20m",
    strike: async (disk, spool) => disk.freeze(spool),
    heal: async (disk, spool) => disk.thaw(spool),
  },
];

const send = (edge: TestGateway, number: number): Promise<SentMail> =>
  sendMail({
    port: edge.port,
    message: SIMPLE_MESSAGE.replace("Subject: Hello", `Subject: number ${number}`),
  });

const lastWord = ({ mail, rcpt, final }: SentMail): string => (final ?? rcpt.at(-1) ?? mail).text;

for (const workers of [1, 2])
  for (const { title, disk: options, strike, heal } of SICKNESSES)
    test(`a disk that is ${title} loses nothing that was promised, and mail goes on (workers: ${workers})`, async (t) => {
      await using disk = await mountSmallDisk(options);
      if (!disk) return t.skip("needs root");
      const port = await findFreeTcpPort();
      const dataDir = join(disk.folder, "data");
      const spool = join(dataDir, "spool");
      const edge = await startTestGateway({
        hubPort: port,
        settings: { dataDir, workers },
        policies: { limits: LIMITS },
      });
      try {
        for (let number = 0; number < PROMISED; number++)
          assert.match(lastWord(await send(edge, number)), /^250 /);
        await strike(disk, spool);
        const refused = await send(edge, PROMISED);
        assert.match(lastWord(refused), /^452 4\.3\.1 /, "with the hub away it cannot be kept");
        const line = await edge.waitForLog("decided", ({ id }) => id === refused.id);
        assert.deepEqual([line.action, line.cause], ["defer", "no-space"]);
        assert.equal((await readdir(join(spool, "corrupt"))).length, 0);

        const hub = await startScriptedHub({ port });
        try {
          await waitUntil(
            () => "mail that the hub takes at once needs no disk, and does not pass",
            async () => (/^250 /.test(lastWord(await send(edge, PROMISED + 1))) ? true : undefined),
            LIMIT_MS,
          );
          await heal(disk, spool);
          const subjects = () =>
            hub.messages.map(({ data }) => /^Subject: number (\d+)/m.exec(data.toString())?.[1]);
          await waitUntil(
            () => `of what was promised came only ${subjects()}`,
            () =>
              Array.from({ length: PROMISED }, (_, i) => String(i)).every((number) =>
                subjects().includes(number),
              ) || undefined,
            LIMIT_MS,
          );
          assert.ok(!subjects().includes(String(PROMISED)), "what was refused came all the same");
          assert.equal(new Set(subjects()).size, subjects().length, "something came twice");
          const last = await send(edge, PROMISED + 2);
          assert.match(lastWord(last), /^250 /);
          await waitUntil(
            () => "stories are not stored any more",
            () => storyOf(edge, last.id, dataDir).catch(() => undefined),
            LIMIT_MS,
          );
        } finally {
          await edge.stop();
          await hub.close();
        }
      } finally {
        await edge.remove();
      }
    });

for (const workers of [1, 2])
  test(`nothing is promised on what must stay free of a disk (workers: ${workers})`, async (t) => {
    await using disk = await mountSmallDisk("size=20m");
    if (!disk) return t.skip("needs root");
    await disk.fill(8 * 1024 * 1024);
    const edge = await startTestGateway({
      hubPort: await findFreeTcpPort(),
      settings: { dataDir: join(disk.folder, "data"), workers },
      policies: { limits: { ...LIMITS, disk: { minFreePercent: 50 } } },
    });
    try {
      const refused = await send(edge, 1);
      assert.match(lastWord(refused), /^452 4\.3\.1 /);
      const line = await edge.waitForLog("decided", ({ id }) => id === refused.id);
      assert.deepEqual([line.action, line.cause], ["defer", "no-space"]);
      await disk.empty();
      await waitUntil(
        () => "a disk that has room again is not used",
        async () => (/^250 /.test(lastWord(await send(edge, 2))) ? true : undefined),
      );
    } finally {
      await edge.remove();
    }
  });
