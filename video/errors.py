"""What can go wrong in a video room.

::

    VideoError                      video.error
    ├── TokenRefused                video.token             not signed by us, or not readable
    │   ├── TokenExpired            video.token_expired
    │   └── TokenOfAnotherRoom      video.token_room
    ├── RoomRefused                 video.room
    │   ├── RoomFull                video.room_full         the 9th participant
    │   ├── ViewersFull             video.viewers_full      the 201st viewer
    │   ├── TooManyRooms            video.rooms_full        this process has as many rooms as it may
    │   ├── RoomClosed              video.room_closed       the session has ended
    │   ├── SentBack                video.sent_back         a host did not admit, or sent out
    │   └── PlaceLost               video.place_lost        away for longer than the place is kept
    ├── NotAllowed                  video.not_allowed       the role does not permit it
    ├── NoSuchParticipant           video.no_participant    nobody of this id is in the room
    ├── InvalidMessage              video.message           a frame that the protocol does not know
    │   ├── WrongVersion            video.version
    │   └── TooManyMessages         video.too_fast
    ├── DescriptionRefused          video.description       an SDP offer that cannot be answered
    │   ├── NoCommonCodec           video.codec             nothing that the others could decode
    │   └── DataChannelRefused      video.data_channel
    ├── HandshakeFailed             video.handshake         DTLS did not come up, or a wrong certificate
    ├── StateUnreadable             video.state             what should be rooms kept from before a restart is not
    └── PortError                   video.port              the UDP port cannot be opened

Every error has a stable ``code``; its text may change. ``zh`` and ``en`` are the words for the person in front of the
screen. No personal data in any of them.
"""

from typing import ClassVar


class VideoError(Exception):
    """The root of this package's errors."""

    code: ClassVar[str] = "video.error"
    zh: ClassVar[str] = "视频服务出错,请重试。"
    en: ClassVar[str] = "Something went wrong with the video. Please try again."


class TokenRefused(VideoError):
    """The token was not signed by us, or is no token."""

    code = "video.token"
    zh = "入场凭证无效,请重新打开链接。"
    en = "This invitation is not valid. Please open the link again."


class TokenExpired(TokenRefused):
    """The token's time is over."""

    code = "video.token_expired"
    zh = "入场凭证已过期,请索取新的链接。"
    en = "This invitation has expired. Please ask for a new link."


class TokenOfAnotherRoom(TokenRefused):
    """The token is good, but for another room."""

    code = "video.token_room"
    zh = "此凭证属于另一个房间。"
    en = "This invitation is for another room."


class RoomRefused(VideoError):
    """The room does not take this person now."""

    code = "video.room"


class RoomFull(RoomRefused):
    """As many participants as the room has seats are in it."""

    code = "video.room_full"
    zh = "房间人数已满。"
    en = "The room is full."


class ViewersFull(RoomRefused):
    """As many viewers as the room may have are in it."""

    code = "video.viewers_full"
    zh = "旁听人数已满。"
    en = "There is no more room for viewers."


class TooManyRooms(RoomRefused):
    """This process carries as many rooms as it may."""

    code = "video.rooms_full"
    zh = "视频服务繁忙,请稍后再试。"
    en = "The video service is busy. Please try again in a moment."


class RoomClosed(RoomRefused):
    """The session in this room has ended."""

    code = "video.room_closed"
    zh = "本次会话已结束。"
    en = "This session has ended."


class SentBack(RoomRefused):
    """A host did not admit this person, or sent them out."""

    code = "video.sent_back"
    zh = "主持人请您先离开房间。"
    en = "The host has asked you to leave the room for now."


class PlaceLost(RoomRefused):
    """The place was kept for its time and given up then. A new ``hello`` with the token asks for a new one."""

    code = "video.place_lost"
    zh = "离开时间过长,请重新进入房间。"
    en = "You were away too long. Please enter the room again."


class NotAllowed(VideoError):
    """The role of the one who asks does not permit this."""

    code = "video.not_allowed"
    zh = "您没有进行此操作的权限。"
    en = "You may not do this here."


class NoSuchParticipant(VideoError):
    """Nobody of this id is in the room."""

    code = "video.no_participant"
    zh = "此人已不在房间内。"
    en = "This person is no longer in the room."


class InvalidMessage(VideoError):
    """A frame that the protocol does not know, at this moment or at all."""

    code = "video.message"
    zh = "页面与服务不一致,请刷新页面。"
    en = "Page and service do not understand each other. Please reload the page."


class WrongVersion(InvalidMessage):
    """The page speaks another version of the protocol."""

    code = "video.version"


class TooManyMessages(InvalidMessage):
    """More frames in a second than a person can cause."""

    code = "video.too_fast"
    zh = "操作过于频繁,请稍候。"
    en = "That was too fast. Please wait a moment."


class DescriptionRefused(VideoError):
    """An SDP offer that is malformed, too large, or cannot be answered. Its text says what, never whose."""

    code = "video.description"
    zh = "此浏览器的音视频设置无法使用,请更换浏览器。"
    en = "The sound and picture of this browser cannot be used here. Please try another browser."


class NoCommonCodec(DescriptionRefused):
    """Nothing in a track's list of codecs could be decoded by the others in the room."""

    code = "video.codec"
    zh = "房间内其他人的设备无法播放此画面或声音的格式。"
    en = "The devices of the others in the room cannot play this kind of picture or sound."


class DataChannelRefused(DescriptionRefused):
    """The offer holds a data channel that nobody asked for."""

    code = "video.data_channel"


class HandshakeFailed(VideoError):
    """DTLS did not come up in time, or the certificate is not the one of the offer."""

    code = "video.handshake"
    zh = "无法建立加密连接,请检查网络。"
    en = "The encrypted connection could not be made. Please check the network."


class PortError(VideoError):
    """The UDP port cannot be opened."""

    code = "video.port"


class StateUnreadable(VideoError):
    """The data from which rooms were to be restored is none of ours, or of another version."""

    code = "video.state"
