# One image for every process; the command picks the role (see compose.yaml). There is no HEALTHCHECK here: what shows
# that a process is well differs from role to role, and stands with the role.

FROM python:3.13-slim-bookworm AS packages
WORKDIR /build
COPY requirements.txt .
# Without a pip of its own: what is copied from here runs things and installs nothing.
RUN python -m venv --without-pip /venv \
    && pip --python /venv/bin/python install --no-cache-dir --require-hashes --requirement requirements.txt

FROM python:3.13-slim-bookworm
# The journal of the exchange is all that a process writes here. Everything else belongs to root, and the root file
# system may be read-only.
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin brokerage \
    && install --directory /var/lib/brokerage \
    && install --directory --owner brokerage /var/lib/brokerage/exchange
COPY --from=packages /venv /venv
WORKDIR /app
COPY . .
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    ENVIRONMENT=production \
    VAR_DIR=/var/lib/brokerage
RUN SECRET_KEY=only-to-collect-files ALLOWED_HOSTS=- python manage.py collectstatic --no-input
USER 10001
EXPOSE 8000
# gunicorn asks a worker it started whether it still lives; a file on a slow disk would answer late.
CMD ["gunicorn", "config.wsgi:application", "--config", "config/gunicorn.py", "--worker-tmp-dir", "/dev/shm", "--bind", "0.0.0.0:8000"]
