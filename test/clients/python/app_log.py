"""A web shop's JSON log, by fluent-logger for Python: app_log.py HOST PORT TAG COUNT SEED."""
import random
import sys
import time

from fluent import sender

MESSAGES = {
    "info": ["주문이 접수되었습니다", "결제 완료", "cart updated", "session started", "재고 확인 ✅"],
    "warn": ["재고 부족: 대체 상품 제안", "slow query", "payment retried"],
    "error": ["결제 실패: 한도 초과", "inventory service did not answer within 3 s"],
}
ITEMS = ["키보드", "monitor 27\"", "USB-C 케이블", "노트북 거치대", "mouse pad"]


def record(dice, tag, seq):
    level = dice.choices(["info", "warn", "error"], [90, 8, 2])[0]
    items = [{"name": dice.choice(ITEMS), "count": dice.randint(1, 3), "price": dice.randint(9, 900) * 1000}
             for _ in range(dice.randint(1, 3))]
    return {"sender": tag, "seq": seq, "level": level, "service": "shop-order", "message": dice.choice(MESSAGES[level]),
            "order": {"id": f"2026-{dice.randrange(10**8):08}", "items": items,
                      "amount": sum(i["count"] * i["price"] for i in items)},
            "user_id": dice.randrange(100000), "elapsed_ms": round(dice.expovariate(1 / 40), 3), "vip": dice.random() < 0.1}


def main():
    host, port, tag, count, seed = sys.argv[1:6]
    dice = random.Random(int(seed))
    logger = sender.FluentSender(tag, host=host, port=int(port), nanosecond_precision=True, timeout=30)
    for seq in range(int(count)):
        when = sender.EventTime(time.time())
        if not logger.emit_with_time(None, when, record(dice, tag, seq)):
            sys.exit(f"event {seq}: {logger.last_error}")
    logger.close()


if __name__ == "__main__":
    main()
