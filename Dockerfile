# syntax=docker/dockerfile:1
# Node.js 26 runs the TypeScript as it is: there is nothing to build, and no compiler is installed.
FROM node:26-slim AS packages
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --omit=optional --ignore-scripts

FROM node:26-slim
WORKDIR /app
# Numbers, so that Kubernetes can check runAsNonRoot. Files are root's: the gateway cannot write its
# own code.
RUN groupadd --gid 10025 postern \
  && useradd --uid 10025 --gid 10025 --no-create-home --shell /usr/sbin/nologin postern \
  && install -d -o 10025 -g 10025 -m 0700 /data
COPY --from=packages /app/node_modules ./node_modules
COPY package.json LICENSE ./
COPY src ./src
COPY policies /policies
ENV NODE_ENV=production \
  POSTERN_DATA_DIR=/data \
  POSTERN_POLICIES=/policies \
  POSTERN_METRICS_LISTEN=127.0.0.1:9464
USER 10025:10025
VOLUME /data
EXPOSE 2525
# Ready means that mail is taken. A gateway that is stopping is not.
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:9464/readyz').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["node", "src/main.ts"]
CMD ["serve"]
