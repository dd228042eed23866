"""Where a picture begins that needs no earlier one."""


def starts_key_frame(codec: str, payload: bytes) -> bool:
    """Whether a picture that needs no earlier one begins in this packet.

    VP8: RFC 7741, section 4.2 (descriptor) and 4.3 (inverse key frame flag P). H264: RFC 6184, a sequence parameter
    set or an IDR slice, alone, aggregated (STAP-A) or as the first fragment (FU-A). Any bytes are safe here.
    """
    size = len(payload)
    if codec == "VP8":
        if size < 2:
            return False
        first, at = payload[0], 1
        if first & 0x17 != 0x10:  # start of partition 0
            return False
        if first & 0x80:
            extra = payload[1]
            at = 2
            if extra & 0x80:
                if size <= at:
                    return False
                at += 2 if payload[at] & 0x80 else 1
            at += (extra >> 6 & 1) + (1 if extra & 0x30 else 0)
        return size > at and not payload[at] & 1
    if codec == "H264":
        if size < 2:
            return False
        unit = payload[0] & 31
        if unit == 24:
            return size > 3 and payload[3] & 31 in (5, 7)
        if unit == 28:
            return bool(payload[1] & 0x80) and payload[1] & 31 == 5
        return unit in (5, 7)
    return True
