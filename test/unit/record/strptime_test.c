#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "record/time_format.h"

#include "base/mem.h"

/* 2026-11-23 12:34:56.789 UTC, a Monday */
static const struct event_time now = {1795437296, 789000000};

/* What Time.strptime of Ruby 3.1 answers at that moment where the local time is UTC. */
static const struct row {
	const char *format, *text;
	bool ok;
	int64_t sec;
	uint32_t nsec;
	bool has_zone;
} rows[] = {
	{"%Y-%m-%d %H:%M:%S %z", "2026-08-07 12:00:00 +0000", true, 1786104000, 0, true},
	{"%Y-%m-%d %H:%M:%S", "2026-08-07 12:00:00", true, 1786104000, 0, false},
	{"%Y-%m-%dT%H:%M:%S%z", "2026-08-07T12:00:00Z", true, 1786104000, 0, true},
	{"%Y-%m-%dT%H:%M:%S%z", "2026-08-07T12:00:00+09:00", true, 1786071600, 0, true},
	{"%Y-%m-%dT%H:%M:%S%z", "2026-08-07T12:00:00+0900", true, 1786071600, 0, true},
	{"%Y-%m-%dT%H:%M:%S%z", "2026-08-07T12:00:00-05", true, 1786122000, 0, true},
	{"%Y-%m-%dT%H:%M:%S%z", "2026-08-07T12:00:00", false, 0, 0, false},
	{"%Y-%m-%dT%H:%M:%S.%N%z", "2026-08-07T12:00:00.123456789Z", true, 1786104000, 123456789, true},
	{"%Y-%m-%dT%H:%M:%S.%N%z", "2026-08-07T12:00:00.1Z", true, 1786104000, 100000000, true},
	{"%Y-%m-%dT%H:%M:%S.%L%z", "2026-08-07T12:00:00.123Z", true, 1786104000, 123000000, true},
	{"%Y-%m-%dT%H:%M:%S.%L%z", "2026-08-07T12:00:00.123456Z", true, 1786104000, 123456000, true},
	{"%Y-%m-%dT%H:%M:%S.%N", "2026-08-07T12:00:00.123456789012345", true, 1786104000, 123456789, false},
	{"%Y-%m-%dT%H:%M:%S.%N", "2026-08-07T12:00:00.", false, 0, 0, false},
	{"%d/%b/%Y:%H:%M:%S %z", "28/Feb/2026:12:00:00 +0900", true, 1772247600, 0, true},
	{"%d/%b/%Y:%H:%M:%S %z", "28/February/2026:12:00:00 -0330", true, 1772292600, 0, true},
	{"%d/%b/%Y:%H:%M:%S %z", "28/Fex/2026:12:00:00 +0900", false, 0, 0, false},
	{"%b %d %H:%M:%S", "Feb 28 12:00:00", true, 1772280000, 0, false},
	{"%b %d %H:%M:%S", "Feb  5 12:00:00", true, 1770292800, 0, false},
	{"%b %d %H:%M:%S", "Dec 31 23:59:59", true, 1798761599, 0, false},
	{"%b %e %H:%M:%S", "Jan  1 00:00:00", true, 1767225600, 0, false},
	{"%a %b %d %H:%M:%S %Y", "Fri Aug  7 12:00:00 2026", true, 1786104000, 0, false},
	{"%a %b %d %H:%M:%S.%N %Y", "Fri Aug 07 12:00:00.000123 2026", true, 1786104000, 123000, false},
	{"%A, %d %B %Y", "friday, 7 AUGUST 2026", true, 1786060800, 0, false},
	{"%A, %d %B %Y", "Fri, 7 Aug 2026", true, 1786060800, 0, false},
	{"%A %d", "Frid 7", false, 0, 0, false},
	{"%s", "1786104000", true, 1786104000, 0, true},
	{"%s", "-1", true, -1, 0, true},
	{"%s", "-", false, 0, 0, false},
	{"%s.%N", "1786104000.123456", true, 1786104000, 123456000, true},
	{"%s.%L", "1786104000.5", true, 1786104000, 500000000, true},
	{"%s.%N", "-1.25", true, -2, 750000000, true},
	{"%Q", "1786104000123", true, 1786104000, 123000000, true},
	{"%Q", "-1", true, -1, 999000000, true},
	{"%Q %s", "5000 7", true, 7, 0, true},
	{"%s %z", "1786104000 +0900", true, 1786104000, 0, true},
	{"%s tail", "1786104000 tail", true, 1786104000, 0, true},
	{"%Y", "2026", true, 1767225600, 0, false},
	{"%Y", "-2026", true, -126101577600, 0, false},
	{"%Y", "+2026", true, 1767225600, 0, false},
	{"%Y", "20261", true, 577208246400, 0, false},
	{"%Y%m%d", "20260807", true, 1786060800, 0, false},
	{"%Y%m%d%H%M%S", "20260807120102", true, 1786104062, 0, false},
	{"%Y%m%d%H%M%S%L", "20260807120102003", true, 1786104062, 3000000, false},
	{"%Y%m%d%H%M%S%N", "20260807120102000000003", true, 1786104062, 3, false},
	{"%Y%j", "2026219", true, 1786060800, 0, false},
	{"%Y5", "20265", true, 1767225600, 0, false},
	{"%y%m%d", "260807", true, 1786060800, 0, false},
	{"%y", "68", true, 3092601600, 0, false},
	{"%y", "69", true, -31536000, 0, false},
	{"%y", "7", true, 1167609600, 0, false},
	{"%C%y", "1926", true, -1388534400, 0, false},
	{"%C %y %m", "20 26 8", true, 1785542400, 0, false},
	{"%C", "20", false, 0, 0, false},
	{"%m/%d", "8/7", true, 1786060800, 0, false},
	{"%m/%d", "13/7", false, 0, 0, false},
	{"%m/%d", "0/7", false, 0, 0, false},
	{"%m/%d", "08/32", false, 0, 0, false},
	{"%m/%d", "08/00", false, 0, 0, false},
	{"%d", "15", true, 1794700800, 0, false},
	{"%d", " 5", true, 1793836800, 0, false},
	{"%d", "31", true, 1796083200, 0, false},
	{"%F", "2026-02-28", true, 1772236800, 0, false},
	{"%F", "2026-02-29", true, 1772323200, 0, false},
	{"%F", "2024-02-29", true, 1709164800, 0, false},
	{"%F", "2026-02-30", true, 1772409600, 0, false},
	{"%F", "2026-04-31", true, 1777593600, 0, false},
	{"%F", "1969-12-31", true, -86400, 0, false},
	{"%F", "1600-02-29", true, -11670998400, 0, false},
	{"%F", "0000-01-01", true, -62167219200, 0, false},
	{"%F", "-0001-12-31", true, -62167305600, 0, false},
	{"%F", "99999-01-01", true, 3093496444800, 0, false},
	{"%F", " 2026-08-07", false, 0, 0, false},
	{"%j", "1", true, 1767225600, 0, false},
	{"%j", "366", false, 0, 0, false},
	{"%j", "0", false, 0, 0, false},
	{"%Y-%j", "2024-366", true, 1735603200, 0, false},
	{"%Y-%j", "2026-366", false, 0, 0, false},
	{"%Y-%j", "2026-365", true, 1798675200, 0, false},
	{"%j %m %d", "200 1 1", true, 1784419200, 0, false},
	{"%H:%M:%S", "23:59:60", true, 1795478400, 0, false},
	{"%H:%M:%S", "24:00:00", true, 1795478400, 0, false},
	{"%H:%M:%S", "24:00:01", false, 0, 0, false},
	{"%H:%M:%S", "25:00:00", false, 0, 0, false},
	{"%H:%M:%S", "12:60:00", false, 0, 0, false},
	{"%H:%M:%S", "12:00:61", false, 0, 0, false},
	{"%H:%M:%S", "1:2:3", true, 1795395723, 0, false},
	{"%H:%M", "12:30", true, 1795437000, 0, false},
	{"%k:%M", " 1:30", true, 1795397400, 0, false},
	{"%M", "30", true, 1795437000, 0, false},
	{"%S", "7", true, 1795437247, 0, false},
	{"%L", "250", true, 1795437296, 250000000, false},
	{"%N", "5", true, 1795437296, 500000000, false},
	{"%N", "-5", false, 0, 0, false},
	{"%N", "+5", true, 1795437296, 500000000, false},
	{"%H%M", "1230", true, 1795437000, 0, false},
	{"%I:%M:%S %p", "12:00:00 AM", true, 1795392000, 0, false},
	{"%I:%M:%S %p", "12:00:00 PM", true, 1795435200, 0, false},
	{"%I:%M:%S %p", "01:00:00 pm", true, 1795438800, 0, false},
	{"%I:%M:%S %P", "11:00:00 P.M.", true, 1795474800, 0, false},
	{"%I:%M:%S %P", "11:00:00 a.m.", true, 1795431600, 0, false},
	{"%I %p", "13 PM", false, 0, 0, false},
	{"%I %p", "0 AM", false, 0, 0, false},
	{"%l %p", " 9 am", true, 1795424400, 0, false},
	{"%H %p", "15 am", true, 1795402800, 0, false},
	{"%p", "am", false, 0, 0, false},
	{"%p %I", "xm 5", false, 0, 0, false},
	{"%T %z", "12:00:00 UTC", true, 1795435200, 0, true},
	{"%T %z", "12:00:00 gmt", true, 1795435200, 0, true},
	{"%T %z", "12:00:00 UT", true, 1795435200, 0, true},
	{"%T %z", "12:00:00 z", true, 1795435200, 0, true},
	{"%T %Z", "12:00:00 EST", true, 1795453200, 0, true},
	{"%T %Z", "12:00:00 EDT", true, 1795449600, 0, true},
	{"%T %Z", "12:00:00 cst", true, 1795456800, 0, true},
	{"%T %Z", "12:00:00 CDT", true, 1795453200, 0, true},
	{"%T %Z", "12:00:00 MST", true, 1795460400, 0, true},
	{"%T %Z", "12:00:00 MDT", true, 1795456800, 0, true},
	{"%T %Z", "12:00:00 PST", true, 1795464000, 0, true},
	{"%T %Z", "12:00:00 PDT", true, 1795460400, 0, true},
	{"%T %Z", "12:00:00 A", true, 1795431600, 0, true},
	{"%T %Z", "12:00:00 I", true, 1795402800, 0, true},
	{"%T %Z", "12:00:00 J", true, 1795435200, 0, false},
	{"%T %Z", "12:00:00 K", true, 1795399200, 0, true},
	{"%T %Z", "12:00:00 M", true, 1795478400, 0, true},
	{"%T %Z", "12:00:00 N", true, 1795438800, 0, true},
	{"%T %Z", "12:00:00 y", true, 1795478400, 0, true},
	{"%T %Z", "12:00:00 JST", true, 1795435200, 0, false},
	{"%T %Z", "12:00:00 CEST", true, 1795435200, 0, false},
	{"%T %Z", "12:00:00 Asia/Tokyo", true, 1795435200, 0, false},
	{"%T %Z", "12:00:00 Eastern Standard Time", true, 1795435200, 0, false},
	{"%T %Z %Y", "12:00:00 Eastern Daylight Time 2025", true, 1735732800, 0, false},
	{"%T %Z %Y", "12:00:00 E. Europe Standard  Time 2025", true, 1735732800, 0, false},
	{"%T %Z %Y", "12:00:00 Standard Time 2025", false, 0, 0, false},
	{"%T %Z %Y", "12:00:00 Eastern Standard Times 2025", false, 0, 0, false},
	{"%T %Z %Y", "12:00:00 EST dst 2025", true, 1735732800, 0, false},
	{"%T %Z %Y", "12:00:00 EST dsts 2025", false, 0, 0, false},
	{"%T %Z", "12:00:00 EST5", false, 0, 0, false},
	{"%T %Z", "12:00:00 E_T", false, 0, 0, false},
	{"%T %z", "12:00:00 +9", true, 1795435200, 0, false},
	{"%T %z", "12:00:00 +900", true, 1795435200, 0, false},
	{"%T %z", "12:00:00 UTC+9", true, 1795435200, 0, false},
	{"%T %z", "12:00:00 GMT-03:00", true, 1795435200, 0, false},
	{"%T %z", "12:00:00 utc+09:00", true, 1795435200, 0, false},
	{"%T %z", "12:00:00 +09:30:15", true, 1795400985, 0, true},
	{"%T %z", "12:00:00 -093015", true, 1795469415, 0, true},
	{"%T %z", "12:00:00 +09:3", true, 1795435200, 0, false},
	{"%T %z", "12:00:00 +0900:30", true, 1795435200, 0, false},
	{"%T %z", "12:00:00 +09.5", true, 1795435200, 0, false},
	{"%T %z", "12:00:00 +09,30", true, 1795435200, 0, false},
	{"%T %z", "12:00:00 -00:00", true, 1795435200, 0, true},
	{"%T %z", "12:00:00 +2359", true, 1795435260, 0, true},
	{"%T %z", "12:00:00 -2400", false, 0, 0, false},
	{"%T %z", "12:00:00 +0960", true, 1795399200, 0, true},
	{"%T %z", "12:00:00 + 0900", false, 0, 0, false},
	{"%T %z", "12:00:00 ", false, 0, 0, false},
	{"%T%z", "23:00:00+0900", true, 1795442400, 0, true},
	{"%T%:z", "12:00:00+09:00", true, 1795402800, 0, true},
	{"%T%::z", "12:00:00+09:00:00", true, 1795402800, 0, true},
	{"%T%:::z", "12:00:00+09", true, 1795402800, 0, true},
	{"%T%::::z", "12:00:00+09", false, 0, 0, false},
	{"%T%:x", "12:00:00:x", false, 0, 0, false},
	{"%m-%d %T %z", "01-01 00:30:00 +0900", true, 1767195000, 0, true},
	{"%G-W%V-%u", "2026-W32-5", true, 1786060800, 0, false},
	{"%G-W%V-%u", "2026-W53-1", true, 1798416000, 0, false},
	{"%G-W%V-%u", "2025-W53-1", false, 0, 0, false},
	{"%G-W%V-%u", "2026-W01-1", true, 1766966400, 0, false},
	{"%G-W%V", "2026-W32", true, 1785715200, 0, false},
	{"%G", "2026", true, 1766966400, 0, false},
	{"%g-%V-%w", "26-32-0", true, 1786233600, 0, false},
	{"%G-W%V-%u %H:%M %z", "2026-W32-5 10:00 +0900", true, 1786060800, 0, false},
	{"%V", "7", true, 1770595200, 0, false},
	{"%u", "7", true, 1795910400, 0, false},
	{"%Y %U %w", "2026 31 5", true, 1786060800, 0, false},
	{"%Y %W %u", "2026 31 5", true, 1786060800, 0, false},
	{"%Y %U", "2026 00", false, 0, 0, false},
	{"%Y %W", "2026 31", true, 1785715200, 0, false},
	{"%U", "31", true, 1785628800, 0, false},
	{"%W %H:%M", "5 10:30", true, 1770028200, 0, false},
	{"%Y %U %w %T", "2026 0 0 10:00:00", false, 0, 0, false},
	{"%Y %u", "2026 5", false, 0, 0, false},
	{"%w %d", "5 9", true, 1794182400, 0, false},
	{"%Y %m %d %u %V", "2026 8 7 1 1", true, 1786060800, 0, false},
	{"%j %u", "200 5", true, 1784419200, 0, false},
	{"%Y %j %V", "2024 366 1", true, 1735603200, 0, false},
	{"%Y %j %V", "2026 366 1", false, 0, 0, false},
	{"%m %V", "5 7", true, 1777593600, 0, false},
	{"%m %u", "5 7", true, 1777593600, 0, false},
	{"%d %u", "9 7", true, 1794182400, 0, false},
	{"%m %V %u", "5 7 3", true, 1770768000, 0, false},
	{"%Y %m %u", "2025 5 7", true, 1746057600, 0, false},
	{"%Y %m %V %d", "2025 5 7 9", true, 1746748800, 0, false},
	{"%Y %d %u", "2025 31 2", true, 1738281600, 0, false},
	{"%m %d %U", "2 30 5", true, 1772409600, 0, false},
	{"%Y %m %W", "2025 2 5", true, 1738368000, 0, false},
	{"%m %W", "2 5", true, 1769904000, 0, false},
	{"%d %W", "15 5", true, 1794700800, 0, false},
	{"%m %d %u %V", "8 7 5 32", true, 1786060800, 0, false},
	{"%Y %U", "2026 53", false, 0, 0, false},
	{"%w %V", "3 7", false, 0, 0, false},
	{"%w %u", "3 5", true, 1795737600, 0, false},
	{"%G %w", "2026 3", false, 0, 0, false},
	{"%G %U %w", "2026 5 3", true, 1770163200, 0, false},
	{"%c", "Fri Aug  7 12:00:00 2026", true, 1786104000, 0, false},
	{"%D", "08/07/26", true, 1786060800, 0, false},
	{"%x %X", "08/07/26 12:34:56", true, 1786106096, 0, false},
	{"%R", "12:34", true, 1795437240, 0, false},
	{"%r", "11:00:00 PM", true, 1795474800, 0, false},
	{"%v", " 7-Aug-2026", true, 1786060800, 0, false},
	{"%v%H", "7-Aug-202612", false, 0, 0, false},
	{"%+", "Fri Aug  7 12:00:00 EST 2026", true, 1786122000, 0, true},
	{"%F%n%T", "2026-08-07\n \t12:00:00", true, 1786104000, 0, false},
	{"%F %T", "2026-08-07\t12:00:00", true, 1786104000, 0, false},
	{"%F %T", "2026-08-0712:00:00", true, 1786104000, 0, false},
	{"%F%t%T", "2026-08-0712:00:00", true, 1786104000, 0, false},
	{"%F%%%T", "2026-08-07%12:00:00", true, 1786104000, 0, false},
	{"%F%%%T", "2026-08-07x12:00:00", false, 0, 0, false},
	{"[%d/%b/%Y]", "[07/Aug/2026]", true, 1786060800, 0, false},
	{"[%d/%b/%Y]", "07/Aug/2026", false, 0, 0, false},
	{"%Ey-%Om-%Od", "26-08-07", true, 1786060800, 0, false},
	{"%EC%Oy", "2026", true, 1767225600, 0, false},
	{"%Ez", "%E+09", false, 0, 0, false},
	{"%! %H", "%! 5", true, 1795410000, 0, false},
	{"%i%H", "%i5", true, 1795410000, 0, false},
	{"%H%E", "5%E", true, 1795410000, 0, false},
	{"%H%", "5", false, 0, 0, false},
	{"%H", "5 and more", true, 1795410000, 0, false},
	{"%H", "", false, 0, 0, false},
	{"%H", "x", false, 0, 0, false},
	{"at %H", "at 5", true, 1795410000, 0, false},
	{"at %H", "At 5", false, 0, 0, false},
	{"text", "text", false, 0, 0, false},
	{"%a", "Fri", false, 0, 0, false},
	{"%%", "%", false, 0, 0, false},
	{"%H \xc3"
	 "\xa9"
	 "",
		"5 \xc3"
		"\xa9"
		"",
		true, 1795410000, 0, false},
};

/* What Ruby does not read, or reads otherwise. */
static const struct row beyond[] = {
	{"%3N", "123", true, 1795437296, 123000000, false},
	{"%H:%M:%S.%3N", "12:00:00.1234", true, 1795435200, 123000000, false},
	{"%H:%M:%S.%6N%z", "12:00:00.123456+0100", true, 1795431600, 123456000, true},
	{"%H:%M:%S.%9N", "12:00:00.5", true, 1795435200, 500000000, false},
	{"%Y-%-m-%-d", "2026-8-7", true, 1786060800, 0, false},
	{"%Y%-m", "20268", true, 1785542400, 0, false},
	{"%_d/%^b/%Y", " 7/AUG/2026", true, 1786060800, 0, false},
	{"%iso8601", "2026-08-07T12:00:00Z", true, 1786104000, 0, true},
	{"%iso8601", " 2026-08-07t12:00:00.25+09:00\n", true, 1786071600, 250000000, true},
	{"%iso8601", "2026-08-07T12:00:00-0330", true, 1786116600, 0, true},
	{"%iso8601", "2026-08-07T12:00:00+09", true, 1786071600, 0, true},
	{"%iso8601", "2026-08-07T12:00:00", true, 1786104000, 0, false},
	{"%iso8601", "-0001-12-31T00:00:00Z", true, -62167305600, 0, true},
	{"%iso8601", "2026-08-07", false, 0, 0, false},
	{"%iso8601", "2026-08-07 12:00:00Z", false, 0, 0, false},
	{"%iso8601", "2026-08-07T12:00:00Z!", false, 0, 0, false},
	{"%iso8601", "2026-08-07T12:00Z", false, 0, 0, false},
	{"%iso8601", "2026-08-07T12:00:00.Z", false, 0, 0, false},
	{"%iso8601", "2026-08-07T12:00:00+9", false, 0, 0, false},
	{"%iso8601", "2026-08-07T12:00:00+09:", false, 0, 0, false},
	{"%iso8601", "2026-08-07T12:00:00 JST", false, 0, 0, false},
	{"%iso8601", "2026-13-07T12:00:00Z", false, 0, 0, false},
	/* numbers that no time has */
	{"%Y", "1000000000", false, 0, 0, false},
	{"%Y", "99999999999999999999999999", false, 0, 0, false},
	{"%C %y", "100000000000000 01", false, 0, 0, false},
	{"%s", "99999999999999999999999999", false, 0, 0, false},
	{"%N", "99999999999999999999999999", true, 1795437296, 999999999, false},
};

static void check(const struct row *row, int32_t offset)
{
	struct time_parsed got;
	struct time_format *f = time_format_new(row->format);
	bool ok = time_format_parse(f, span_str(row->text), now, offset, &got);
	if (ok != row->ok)
		fail_msg("'%s' of '%s': %d", row->format, row->text, ok);
	if (ok && (got.time.sec != row->sec || got.time.nsec != row->nsec || got.has_zone != row->has_zone))
		fail_msg("'%s' of '%s': %lld.%09u, zone %d", row->format, row->text, (long long)got.time.sec,
			got.time.nsec, got.has_zone);
	time_format_free(f);
}

static void test_as_ruby(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		check(&rows[i], 0);
}

static void test_beyond_ruby(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof beyond / sizeof *beyond; i++)
		check(&beyond[i], 0);
}

/* The default zone is where the text stands that tells none, and where "now" is looked at. */
static void test_default_offset(void **state)
{
	(void)state;
	static const struct {
		int32_t offset;
		struct row row;
	} cases[] = {
		{32400, {"%F %T", "2026-08-07 12:00:00", true, 1786071600, 0, false}},
		{32400, {"%F %T %z", "2026-08-07 12:00:00 Z", true, 1786104000, 0, true}},
		{32400, {"%F %T %Z", "2026-08-07 12:00:00 CEST", true, 1786071600, 0, false}},
		{32400, {"%s", "1786104000", true, 1786104000, 0, true}},
		{43200, {"%H:%M", "01:00", true, 1795438800, 0, false}}, /* there it is the 24th, 00:34 */
		{43200, {"%H:%M %z", "01:00 +0000", true, 1795395600, 0, true}},
		{-46800, {"%H:%M", "01:00", true, 1795356000, 0, false}}, /* and there the 22nd, 23:34 */
		{32400, {"%G-W%V-%u", "2026-W32-5", true, 1786028400, 0, false}},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		check(&cases[i].row, cases[i].offset);
}

static void test_offset_and_used(void **state)
{
	(void)state;
	static const struct {
		const char *format, *text;
		int32_t offset;
		size_t used;
	} cases[] = {
		{"%T %z", "12:00:00 +0900 rest", 32400, 14},
		{"%T %z", "12:00:00 JST rest", -3600, 12},
		{"%T %z", "12:00:00 UTC+9:30 rest", -3600, 17},
		{"%T", "12:00:00 rest", -3600, 8},
		{"%T ", "12:00:00   rest", -3600, 11},
		{"%s", "12", -3600, 2},
		{"%T %Z", "12:00:00 Eastern Standard Time rest", -3600, 30},
		{"%T %Z", "12:00:00 EST dst rest", -3600, 16},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct time_parsed got;
		struct time_format *f = time_format_new(cases[i].format);
		assert_true(time_format_parse(f, span_str(cases[i].text), now, -3600, &got));
		if (got.offset != cases[i].offset || got.used != cases[i].used)
			fail_msg("'%s': offset %d, used %zu", cases[i].text, got.offset, got.used);
		time_format_free(f);
	}
}

/* No text is too short: none of its bytes is looked at that is not there. */
static void test_every_prefix(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct time_format *f = time_format_new(rows[i].format);
		for (size_t n = 0; n <= strlen(rows[i].text); n++) {
			struct time_parsed got;
			char *copy = mem_alloc(n); /* the sanitizer watches its end */
			memcpy(copy, rows[i].text, n);
			if (time_format_parse(f, span_of(copy, n), now, 0, &got))
				assert_true(got.used <= n && got.time.nsec < 1000000000);
			mem_free(copy);
		}
		time_format_free(f);
	}
	time_format_free(NULL);
}

static void test_zero_bytes(void **state)
{
	(void)state;
	struct time_parsed got;
	struct time_format *f = time_format_new("%H %z");
	assert_false(time_format_parse(f, SPAN_LIT("5\0+0900"), now, 0, &got));
	assert_true(time_format_parse(f,
		SPAN_LIT("5 +09\0"
			 "30"),
		now, 0, &got));
	assert_int_equal(got.offset, 32400);
	assert_int_equal(got.used, 5);
	assert_false(time_format_parse(f, span_of(NULL, 0), now, 0, &got));
	time_format_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_as_ruby),
		cmocka_unit_test(test_beyond_ruby),
		cmocka_unit_test(test_default_offset),
		cmocka_unit_test(test_offset_and_used),
		cmocka_unit_test(test_every_prefix),
		cmocka_unit_test(test_zero_bytes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
