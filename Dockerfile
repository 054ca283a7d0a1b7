# One image for every process; the command picks the role (see compose.yaml).

FROM python:3.13-slim-bookworm AS packages
WORKDIR /build
COPY requirements.txt .
RUN python -m venv /venv \
    && /venv/bin/pip install --no-cache-dir --require-hashes --requirement requirements.txt

FROM python:3.13-slim-bookworm
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin brokerage \
    && install --directory --owner brokerage /app /var/lib/brokerage /var/lib/brokerage/exchange
COPY --from=packages /venv /venv
WORKDIR /app
COPY . .
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    ENVIRONMENT=production \
    VAR_DIR=/var/lib/brokerage
RUN SECRET_KEY=only-to-collect-files ALLOWED_HOSTS=- python manage.py collectstatic --no-input \
    && chown -R brokerage /var/lib/brokerage
USER 10001
EXPOSE 8000
# gunicorn asks a worker it started whether it still lives; a file on a slow disk would answer late.
CMD ["gunicorn", "config.wsgi:application", "--config", "config/gunicorn.py", "--worker-tmp-dir", "/dev/shm", "--bind", "0.0.0.0:8000"]
