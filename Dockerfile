# A virtual environment and the code, both owned by root. The service runs as an unprivileged user and
# writes only to /data (SQLite, generated development keys) and /tmp, so its root file system can be
# read-only. Group 0 may write to /data, too: OpenShift runs containers as any user of that group.

FROM python:3.11-slim AS builder
RUN python -m venv --without-pip /venv
WORKDIR /app
COPY requirements.txt .
RUN pip --python /venv/bin/python install --no-cache-dir --no-deps --require-hashes -r requirements.txt
COPY . .
RUN chmod -R a+rX . && python -m compileall -q --invalidation-mode unchecked-hash .

FROM python:3.11-slim
RUN useradd --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin gatehouse \
 && install --directory --owner 10001 --group 0 --mode 0770 /data
COPY --from=builder /venv /venv
COPY --from=builder /app /app
WORKDIR /app
ENV PATH=/venv/bin:/app/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 GATEHOUSE_DATA_DIR=/data
USER 10001:10001
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s CMD ["python", "-c", \
  "import http.client, os; h = os.environ.get('GATEHOUSE_HOST'); h = {'0.0.0.0': '127.0.0.1', '::': '::1'}.get(h, h) or '127.0.0.1'; c = http.client.HTTPConnection(h, int(os.environ.get('PORT') or 8000), timeout=4); c.request('GET', '/health/ready'); raise SystemExit(c.getresponse().status != 200)"]
# Migrates, then becomes the server: it receives the signal of `docker stop` and finishes open requests.
CMD ["gatehouse", "serve"]
