/* SPDX-License-Identifier: MIT */
#include "base/clock.h"

#include <string.h>
#include <time.h>

static int64_t read_us(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t sgh_now_us(void)
{
	return read_us(CLOCK_MONOTONIC);
}

int64_t sgh_now_ms(void)
{
	return read_us(CLOCK_MONOTONIC) / 1000;
}

int64_t sgh_time_ms(void)
{
	return read_us(CLOCK_REALTIME) / 1000;
}

/* A foreign number may be anything: the sum saturates. */
static int64_t shift(int64_t time, int64_t from, int64_t to)
{
	int64_t shifted;

	if (time == SGH_NEVER || __builtin_sub_overflow(time, from, &shifted) ||
	    __builtin_add_overflow(shifted, to, &shifted))
		return time > 0 ? SGH_NEVER : 0;
	return shifted;
}

int64_t sgh_deadline_from_unix(int64_t unix_ms)
{
	return shift(unix_ms, sgh_time_ms(), sgh_now_ms());
}

/* Days since 1970-01-01 of a date in the proleptic Gregorian calendar. */
static int64_t days_from_civil(int64_t year, unsigned month, unsigned day)
{
	int64_t era;
	unsigned of_era;
	unsigned of_year;

	year -= month <= 2;
	era = (year >= 0 ? year : year - 399) / 400;
	of_era = (unsigned)(year - era * 400);
	of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
	return era * 146097 +
	       (int64_t)(of_era * 365 + of_era / 4 - of_era / 100 + of_year) - 719468;
}

static void split(int64_t unix_ms, struct tm *ret, int *ret_ms)
{
	int64_t ms = unix_ms % 1000;
	time_t seconds;

	if (ms < 0)
		ms += 1000;
	seconds = (time_t)((unix_ms - ms) / 1000);
	gmtime_r(&seconds, ret);
	*ret_ms = (int)ms;
}

/* The last `count` digits of a number; moves *at. */
static void put_digits(char **at, int number, int count)
{
	for (int i = count - 1; i >= 0; i--, number /= 10)
		(*at)[i] = (char)('0' + (unsigned)number % 10);
	*at += count;
}

static void put_char(char **at, char c)
{
	*(*at)++ = c;
}

/* "12:34:56" */
static void put_time(char **at, const struct tm *tm)
{
	put_digits(at, tm->tm_hour, 2);
	put_char(at, ':');
	put_digits(at, tm->tm_min, 2);
	put_char(at, ':');
	put_digits(at, tm->tm_sec, 2);
}

/* By hand: it is written several times for each object, and printf() is slow. */
void sgh_rfc3339(int64_t unix_ms, char text[SGH_RFC3339_SIZE])
{
	struct tm tm;
	int ms;

	split(unix_ms, &tm, &ms);
	put_digits(&text, tm.tm_year + 1900, 4);
	put_char(&text, '-');
	put_digits(&text, tm.tm_mon + 1, 2);
	put_char(&text, '-');
	put_digits(&text, tm.tm_mday, 2);
	put_char(&text, 'T');
	put_time(&text, &tm);
	put_char(&text, '.');
	put_digits(&text, ms, 3);
	put_char(&text, 'Z');
	*text = '\0';
}

/* Exactly `count` digits; moves *at. */
static bool digits(const char **at, int count, unsigned *ret)
{
	unsigned value = 0;

	for (int i = 0; i < count; i++) {
		char c = (*at)[i];

		if (c < '0' || c > '9')
			return false;
		value = value * 10 + (unsigned)(c - '0');
	}
	*at += count;
	*ret = value;
	return true;
}

static bool one_of(const char **at, const char *set)
{
	if (!**at || !strchr(set, **at))
		return false;
	(*at)++;
	return true;
}

static unsigned days_in_month(unsigned year, unsigned month)
{
	static const unsigned char days[] = { 31, 28, 31, 30, 31, 30,
					      31, 31, 30, 31, 30, 31 };
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return days[month - 1] + (month == 2 && leap ? 1u : 0u);
}

static bool parse_date(const char **at, int64_t *ret_days)
{
	unsigned year;
	unsigned month;
	unsigned day;

	if (!digits(at, 4, &year) || !one_of(at, "-") || !digits(at, 2, &month) ||
	    !one_of(at, "-") || !digits(at, 2, &day))
		return false;
	if (month < 1 || month > 12 || day < 1 || day > days_in_month(year, month))
		return false;
	*ret_days = days_from_civil(year, month, day);
	return true;
}

/* The fraction of a second, in milliseconds; further digits are dropped. */
static bool parse_fraction(const char **at, int64_t *ret_ms)
{
	int64_t ms = 0;
	int count = 0;

	*ret_ms = 0;
	if (**at != '.')
		return true;
	(*at)++;
	for (; **at >= '0' && **at <= '9' && count < 9; (*at)++, count++)
		if (count < 3)
			ms = ms * 10 + (**at - '0');
	for (int i = count; i < 3; i++)
		ms *= 10;
	*ret_ms = ms;
	return count > 0;
}

static bool parse_offset(const char **at, int64_t *ret_minutes)
{
	int sign = **at == '-' ? -1 : 1;
	unsigned hours;
	unsigned minutes;

	*ret_minutes = 0;
	if (one_of(at, "Zz"))
		return true;
	if (!one_of(at, "+-") || !digits(at, 2, &hours) || !one_of(at, ":") ||
	    !digits(at, 2, &minutes) || hours > 23 || minutes > 59)
		return false;
	*ret_minutes = sign * (int64_t)(hours * 60 + minutes);
	return true;
}

bool sgh_rfc3339_parse(const char *text, int64_t *ret_unix_ms)
{
	int64_t days;
	int64_t ms;
	int64_t offset;
	unsigned hour;
	unsigned minute;
	unsigned second;

	if (!parse_date(&text, &days) || !one_of(&text, "Tt ") ||
	    !digits(&text, 2, &hour) || !one_of(&text, ":") ||
	    !digits(&text, 2, &minute) || !one_of(&text, ":") ||
	    !digits(&text, 2, &second) || !parse_fraction(&text, &ms) ||
	    !parse_offset(&text, &offset) || *text)
		return false;
	if (hour > 23 || minute > 59 || second > 60)
		return false;
	*ret_unix_ms = ((days * 24 + hour) * 60 + minute - offset) * 60000 +
		       (int64_t)second * 1000 + ms;
	return true;
}

static const char *const day_names[] = {
	"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"
};
static const char *const month_names[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
					   "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };

static void put_name(char **at, const char *name)
{
	memcpy(*at, name, 3);
	*at += 3;
}

void sgh_http_date(int64_t unix_ms, char text[SGH_HTTP_DATE_SIZE])
{
	struct tm tm;
	int ms;

	split(unix_ms, &tm, &ms);
	put_name(&text, day_names[tm.tm_wday]);
	put_char(&text, ',');
	put_char(&text, ' ');
	put_digits(&text, tm.tm_mday, 2);
	put_char(&text, ' ');
	put_name(&text, month_names[tm.tm_mon]);
	put_char(&text, ' ');
	put_digits(&text, tm.tm_year + 1900, 4);
	put_char(&text, ' ');
	put_time(&text, &tm);
	memcpy(text, " GMT", 5);
}

static bool parse_month(const char **at, unsigned *ret)
{
	for (unsigned i = 0; i < 12; i++) {
		if (strncmp(*at, month_names[i], 3) != 0)
			continue;
		*at += 3;
		*ret = i + 1;
		return true;
	}
	return false;
}

static bool skip(const char **at, const char *text)
{
	size_t length = strlen(text);

	if (strncmp(*at, text, length) != 0)
		return false;
	*at += length;
	return true;
}

struct http_date {
	unsigned year;
	unsigned month;
	unsigned day;
	unsigned hour;
	unsigned minute;
	unsigned second;
};

static bool parse_time(const char **at, struct http_date *date)
{
	return digits(at, 2, &date->hour) && skip(at, ":") &&
	       digits(at, 2, &date->minute) && skip(at, ":") &&
	       digits(at, 2, &date->second);
}

/* "Sun, 06 Nov 1994 08:49:37 GMT" */
static bool parse_fixdate(const char *at, struct http_date *date)
{
	if (strlen(at) != SGH_HTTP_DATE_SIZE - 1)
		return false;
	at += 3;
	return skip(&at, ", ") && digits(&at, 2, &date->day) && skip(&at, " ") &&
	       parse_month(&at, &date->month) && skip(&at, " ") &&
	       digits(&at, 4, &date->year) && skip(&at, " ") && parse_time(&at, date) &&
	       strcmp(at, " GMT") == 0;
}

/* Of two digits: the century's, unless that would be more than 50 years from now. */
static unsigned year_of(unsigned digits)
{
	struct tm tm;
	int ms;
	unsigned now;
	unsigned year;

	split(sgh_time_ms(), &tm, &ms);
	now = (unsigned)tm.tm_year + 1900;
	year = now / 100 * 100 + digits;
	return year > now + 50 ? year - 100 : year;
}

/* "Sunday, 06-Nov-94 08:49:37 GMT" */
static bool parse_rfc850(const char *at, struct http_date *date)
{
	at += strcspn(at, ",");
	if (!skip(&at, ", ") || !digits(&at, 2, &date->day) || !skip(&at, "-") ||
	    !parse_month(&at, &date->month) || !skip(&at, "-") ||
	    !digits(&at, 2, &date->year) || !skip(&at, " ") || !parse_time(&at, date) ||
	    strcmp(at, " GMT") != 0)
		return false;
	date->year = year_of(date->year);
	return true;
}

/* "Sun Nov  6 08:49:37 1994" */
static bool parse_asctime(const char *at, struct http_date *date)
{
	if (strlen(at) != 24 || at[3] != ' ')
		return false;
	at += 4;
	return parse_month(&at, &date->month) && skip(&at, " ") &&
	       (skip(&at, " ") ? digits(&at, 1, &date->day)
			       : digits(&at, 2, &date->day)) &&
	       skip(&at, " ") && parse_time(&at, date) && skip(&at, " ") &&
	       digits(&at, 4, &date->year) && !*at;
}

bool sgh_http_date_parse(const char *text, int64_t *ret_unix_ms)
{
	struct http_date date = { 0 };

	if (!parse_fixdate(text, &date) && !parse_rfc850(text, &date) &&
	    !parse_asctime(text, &date))
		return false;
	if (date.day < 1 || date.day > days_in_month(date.year, date.month) ||
	    date.hour > 23 || date.minute > 59 || date.second > 60)
		return false;
	*ret_unix_ms =
		(((days_from_civil(date.year, date.month, date.day) * 24 + date.hour) *
			  60 +
		  date.minute) *
			 60 +
		 date.second) *
		1000;
	return true;
}
